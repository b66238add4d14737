"""The end of an execution, as those hear of it who waited."""

from dataclasses import dataclass

from local.stepfunctions.journal.rows import ExecutionRow


@dataclass(frozen=True, slots=True)
class Over:
    """An execution has ended."""

    row: ExecutionRow
    output: str | None
    error: str | None
    cause: str | None
