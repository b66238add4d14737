"""What MiniStack's services hold, written to the state directory."""

from collections.abc import Callable
from typing import Any

_READS = 5


def save() -> None:
    """Write the state of every service to the state directory; MiniStack itself does so on a clean stop only."""
    from ministack import app as ministack_app
    from ministack.core import persistence

    for name, read in ministack_app._build_persistence_save_dict().items():
        state = _consistent(read)
        if state is not None:
            persistence.save_state(name, state)


def _consistent(read: Callable[[], Any]) -> Any:
    """A service's state, read anew when a request changed it meanwhile; None when it never held still."""
    for _ in range(_READS):
        try:
            return read()
        except RuntimeError:
            # "dictionary changed size during iteration": MiniStack takes no lock around its copies.
            continue
    return None
