"""Executions in memory: a cache of what the journal says. The engine's thread alone uses it."""

import random
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from local.stepfunctions.asl.compiler import compile_machine
from local.stepfunctions.asl.machine import processors
from local.stepfunctions.asl.machine.machine import Machine
from local.stepfunctions.asl.validation import InvalidDefinition
from local.stepfunctions.executor import tokens
from local.stepfunctions.interpreter import changes
from local.stepfunctions.interpreter.commands import Status
from local.stepfunctions.interpreter.events import Event
from local.stepfunctions.interpreter.execution import Execution, Identity
from local.stepfunctions.journal.errors import JournalDamaged
from local.stepfunctions.journal.reading import Reader
from local.stepfunctions.journal.rows import ExecutionRow, Revision

MAX_LIVE = 4096
"""More than these are let go of, and replayed when something happens to them."""
_WORTH_IT = 8


class ExecutionEffects:
    """`local.stepfunctions.asl.scope.Effects` of one execution."""

    __slots__ = ("_execution", "_secret")

    def __init__(self, execution: int, secret: bytes) -> None:
        self._execution = execution
        self._secret = secret

    def random(self) -> float:
        return random.random()

    def uuid(self) -> str:
        return str(uuid.uuid4())

    def token(self, task: int) -> str:
        return tokens.make(self._secret, self._execution, task)


@dataclass(slots=True)
class Live:
    row: ExecutionRow
    execution: Execution
    effects: ExecutionEffects
    batches: int
    """How many the journal has."""


class LiveExecutions:
    def __init__(self, reader: Reader, secret: bytes, max_live: int = MAX_LIVE) -> None:
        self.reader = reader
        self._secret = secret
        self._max = max_live
        self._live: OrderedDict[int, Live] = OrderedDict()

    def __len__(self) -> int:
        return len(self._live)

    def get(self, execution: int) -> Live | None:
        """Returns None where it does not run. Raises JournalDamaged."""
        live = self._live.get(execution)
        if live is None:
            row = self.reader.by_id(execution)
            if row is None or row.status != "RUNNING":
                return None
            live = self._replayed(row, *self.reader.history(row.id))
            self._live[execution] = live
        else:
            self._live.move_to_end(execution)
        return live

    def add(self, row: ExecutionRow, execution: Execution, effects: ExecutionEffects, batches: int) -> Live:
        live = self._live[row.id] = Live(row, execution, effects, batches)
        return live

    def preload(self, executions: Sequence[int]) -> None:
        """Read those that will be asked for in this turn, all at once: one by one takes much longer.

        One that cannot be read is left to `get`, which says so to whoever asks for it.
        """
        missing = [execution for execution in executions if execution not in self._live]
        if len(missing) < _WORTH_IT:
            return
        try:
            for row, records, batches in self.reader.running(missing):
                self._live[row.id] = self._replayed(row, records, batches)
        except (JournalDamaged, InvalidDefinition):
            return

    def drop(self, execution: int) -> None:
        self._live.pop(execution, None)

    def shrink(self) -> None:
        """Lets go of the oldest, between turns: all there is then is in the journal."""
        while len(self._live) > self._max:
            self._live.popitem(last=False)

    def effects(self, execution: int) -> ExecutionEffects:
        return ExecutionEffects(execution, self._secret)

    def _replayed(self, row: ExecutionRow, records: list[Event], batches: int) -> Live:
        execution = changes.replay(machine_of(row.revision), identity_of(row), records)
        if not records or execution.status is not Status.RUNNING:
            raise JournalDamaged(f"execution {row.arn} runs, and by its records it is {execution.status}")
        return Live(row, execution, self.effects(row.id), batches)


def identity_of(row: ExecutionRow) -> Identity:
    return Identity(
        arn=row.arn,
        # An Express execution's ARN says more than its name.
        name=row.name.partition(":")[0],
        machine_arn=row.machine_arn,
        machine_name=row.machine_name,
        role_arn=row.role_arn,
        region=row.machine_arn.split(":")[3],
        redrives=row.redrives,
    )


@lru_cache(maxsize=512)
def _compiled(definition: str, express: bool, processor: str | None) -> Machine:
    if processor is not None:
        return processors.processor(compile_machine(definition), processor)
    return compile_machine(definition, express=express)


def machine_of(revision: Revision) -> Machine:
    """Compiled once. Raises InvalidDefinition for one that this version no longer takes."""
    return _compiled(revision.definition, revision.express, revision.processor)
