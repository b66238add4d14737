"""What can go wrong with a journal.

JournalError
 +- JournalUnusable
 +- JournalDamaged
 +- JournalFull
 +- JournalRefused
"""


class JournalError(Exception):
    """The journal cannot do what was asked."""


class JournalUnusable(JournalError):
    """The file is not a journal that this version can go on with; the text says what to do."""


class JournalDamaged(JournalError):
    """A record cannot be read."""


class JournalFull(JournalError):
    """Nothing can be written now; what was written before is there."""


class JournalRefused(JournalError):
    """What is to be written cannot be written, now or later; anything else can."""
