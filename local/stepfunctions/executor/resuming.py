"""Executions that ran when the last engine stopped, until somebody asks what each of them waits for."""

from collections.abc import Iterable

from local.stepfunctions.executor.live import Live
from local.stepfunctions.interpreter import interpreter
from local.stepfunctions.interpreter.commands import Command


class Unresumed:
    """The engine's thread alone uses it."""

    def __init__(self) -> None:
        self._executions: set[int] = set()

    def __contains__(self, execution: int) -> bool:
        return execution in self._executions

    def add(self, executions: Iterable[int]) -> None:
        """Takes executions that nobody has gone on with, or whose going on was not committed."""
        self._executions.update(executions)

    def in_order(self) -> list[int]:
        return sorted(self._executions)

    def pending(self, live: Live, now: float) -> list[Command]:
        """Returns what an execution waits for, the first time it is asked; nothing for one that goes on already."""
        if live.row.id not in self._executions:
            return []
        commands = interpreter.resume(live.execution, now, live.effects)
        self._executions.discard(live.row.id)
        return commands
