"""What ends a command early: a sentence for the person, and an exit code for the script."""


class CommandError(Exception):
    """The command cannot do what was asked; the text says where, what was expected and what to do next."""

    exit_code = 1


class UsageError(CommandError):
    """What was given does not fit."""

    exit_code = 2
