"""The state of this process's MiniStack: opened before it is served, closed after.

MiniStack keeps its state in module globals, so there is one.
"""

from pathlib import Path

from local.ministack.durability import Durability

_open: list[Durability] = []


def open_state(folder: Path) -> None:
    """Read from, and write to, `folder` what MiniStack holds. Raises LocalCloudError where it cannot be read."""
    state = Durability(folder / "state.db")
    state.install()
    _open.append(state)


def check() -> None:
    """Raises LocalCloudError where what was read could not be restored."""
    if _open and _open[0].broken is not None:
        raise _open[0].broken


def deliver() -> int:
    """Deliver the events that were on their way when an earlier cloud ended, and all that come. Returns how many."""
    return _open[0].deliver() if _open else 0


def settle() -> None:
    """Write what was changed beside a request, as far as that can be done."""
    for state in _open:
        state.settle_quietly()


def save() -> None:
    """Write everything that is not on disk yet. Raises NotWritten where that cannot be done."""
    for state in _open:
        state.settle()
        state.save()


def interrupt() -> None:
    """Deliver nothing more."""
    for state in _open:
        state.interrupt()


def close_state() -> None:
    """Write everything and let go of the file."""
    while _open:
        _open.pop().close()
