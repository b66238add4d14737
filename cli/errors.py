"""What ends a command early: a sentence for the person, and an exit code for the script."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipelines.problems import CatalogueError, CompileError, PublishError


class CommandError(Exception):
    """The command cannot do what was asked; the text says where, what was expected and what to do next."""

    exit_code = 1


class UsageError(CommandError):
    """What was given does not fit."""

    exit_code = 2


class Left(CommandError):
    """A person went away while something runs that goes on without the command; the text says how to come back."""

    exit_code = 130


@contextmanager
def problems_as_errors() -> Iterator[None]:
    """Ends the command with what is wrong with a catalogue, or with what keeps it from being compiled or published."""
    try:
        yield
    except CatalogueError as error:
        raise UsageError(str(error)) from error
    except (CompileError, PublishError) as error:
        raise CommandError(str(error)) from error
