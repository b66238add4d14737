"""What can go wrong with a journal.

JournalError
 +- JournalDamaged
 +- JournalFull
 +- JournalRefused
"""


class JournalError(Exception):
    """The journal cannot do what was asked."""


class JournalDamaged(JournalError):
    """A record cannot be read."""


class JournalFull(JournalError):
    """Nothing can be written now; what was written before is there."""


class JournalRefused(JournalError):
    """What is to be written cannot be written, now or later; anything else can."""
