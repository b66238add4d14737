"""One map run that runs, in memory: what its children have come to, and which is to start next."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from local.stepfunctions.asl.documents import MAX_BYTES, encode, size
from local.stepfunctions.interpreter.commands import StartMapRun, Status
from local.stepfunctions.journal.mapruns import Chunk, MapRunRow, Select, inputs_at
from local.stepfunctions.mapruns.errors import MapRunFailed
from local.stepfunctions.mapruns.writing import Format

if TYPE_CHECKING:
    from local.stepfunctions.executor.world import MapRunTask

MAX_ALIVE = 1000
"""Children at a time, where the state does not say less. AWS goes up to 10,000."""


class Phase(Enum):
    READING = auto()
    RUNNING = auto()
    STOPPING = auto()
    """It has failed; children are being stopped."""
    GATHERING = auto()
    """Its results are put together or written."""


@dataclass(slots=True)
class Again:
    """A child that is redriven."""

    child: int
    arn: str


@dataclass(slots=True)
class Run:
    task: MapRunTask
    row: MapRunRow
    phase: Phase = Phase.READING
    children: int = 0
    items: int = 0
    tail: Sequence[Any] = ()
    """Items that do not fill a batch yet."""
    sizes: list[int] | None = None
    """How many items each child has; None: one."""
    next: int = 0
    """The first child that was not started."""
    again: deque[Again] = field(default_factory=deque)
    alive: dict[int, int] = field(default_factory=dict)
    """Executions, and which child each is."""
    counts: Counter[str] = field(default_factory=Counter)
    """Children that are over, by status."""
    failed_items: int = 0
    outputs: dict[int, str] | None = field(default_factory=dict)
    """None: they are not all here; the journal has them."""
    kept: int = 0
    """Their bytes."""
    failure: MapRunFailed | None = None
    turn: object = None
    begun: int = 0
    """Children started in that turn."""
    is_posted: bool = False
    """It goes on in a turn that is asked for."""
    machine_arn: str = ""
    """Of the children."""
    _chunk: Chunk | None = None

    def __post_init__(self) -> None:
        head, _, name = self.row.arn.rpartition(":")[0].partition(":mapRun:")
        self.machine_arn = f"{head}:stateMachine:{name}"

    @property
    def command(self) -> StartMapRun:
        return self.task.command

    @property
    def format(self) -> Format:
        distribution = self.command.state.distribution
        return Format.of(None if distribution is None else distribution.writer)

    @property
    def writes(self) -> bool:
        """To S3."""
        distribution = self.command.state.distribution
        return distribution is not None and distribution.writer is not None and "Resource" in distribution.writer

    def input(self, child: int, select: Select) -> str:
        """JSON."""
        inputs = self.command.inputs
        if inputs is not None and not self.row.settings.batched:
            return encode(inputs[child])
        chunk = self._chunk
        if chunk is None or not chunk.first <= child < chunk.first + len(chunk.inputs):
            chunk = self._chunk = inputs_at(select, self.row.id, child)
        if chunk is None:
            raise LookupError(f"{self.row.arn}: the input of child {child} is not in the journal")
        return chunk.inputs[child - chunk.first]

    @property
    def can_start(self) -> bool:
        if self.phase is not Phase.RUNNING or not (self.again or self.next < self.children):
            return False
        most = self.row.settings.max_concurrency
        return len(self.alive) < (min(most, MAX_ALIVE) if most > 0 else MAX_ALIVE)

    @property
    def is_through(self) -> bool:
        """Nothing runs, and nothing more is to start."""
        if self.alive:
            return False
        return self.phase is Phase.STOPPING or (
            self.phase is Phase.RUNNING and not self.again and self.next >= self.children
        )

    def over(self, child: int, status: str, output: str | None) -> None:
        self.counts[status] += 1
        if status != Status.SUCCEEDED.value:
            self.failed_items += 1 if self.sizes is None else self.sizes[child]
            self.outputs = None
        elif self.outputs is not None and output is not None:
            self.outputs[child] = output
            self.kept += size(output) + 1
            if self.kept > MAX_BYTES:
                # More than the state may put out: what there is need not be in memory.
                self.outputs = None

    @property
    def exceeds(self) -> bool:
        """More has failed than is tolerated."""
        if not self.failed_items:
            return False
        settings = self.row.settings
        count, percentage = settings.tolerated_count, settings.tolerated_percentage
        if count is None and percentage is None:
            return True
        if count is not None and self.failed_items > count:
            return True
        return percentage is not None and self.failed_items * 100 > percentage * max(self.items, 1)
