"""What a state that contains others asks of the compiler."""

from collections.abc import Sequence
from typing import Protocol

from local.documents import Json
from local.stepfunctions.asl.machine.machine import Flow


class Contents(Protocol):
    """Compiles what a state contains, and says where that state stands."""

    @property
    def express(self) -> bool:
        """Whether the state runs in an Express execution."""

    @property
    def trail(self) -> Sequence[str | int]:
        """The states around this one and itself, each but the last followed by the branch, where it has some."""

    def branch(self, definition: dict[str, Json], location: str, index: int) -> Flow | None:
        """Compiles a branch of a Parallel state; None where something is wrong with it, which is reported."""

    def processor(self, definition: dict[str, Json], location: str, *, express: bool) -> Flow | None:
        """Compiles a Map's processor; `express`: its children are Express executions, whatever their parent is."""
