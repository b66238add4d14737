"""How what takes a while tells of itself."""

from collections.abc import Callable

Progress = Callable[[str], None]
"""Called with a line to show: what is being done now."""


def silent(_: str) -> None:
    """Tells nobody."""
