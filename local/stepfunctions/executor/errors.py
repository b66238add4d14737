"""Why the executor does not do what it was asked.

ExecutorError
 +- AlreadyExists
 +- NoSuchExecution
 +- NotRedrivable
 +- TokenInvalid
 +- TaskOver
 +- ExecutorStopped
"""


class ExecutorError(Exception):
    """The text says why."""


class AlreadyExists(ExecutorError):
    """An execution of that state machine has the name; its ARN is the text."""


class NoSuchExecution(ExecutorError):
    """None that runs, or none at all."""


class NotRedrivable(ExecutorError):
    """The execution cannot be taken up again."""


class TokenInvalid(ExecutorError):
    """No task has ever had the token."""


class TaskOver(ExecutorError):
    """The task has been answered, has timed out, or its execution is over."""


class ExecutorStopped(ExecutorError):
    """The local cloud is stopping; what runs goes on with the next start."""
