"""An execution without its history."""

from dataclasses import dataclass
from typing import Any, NamedTuple


class RevisionKey(NamedTuple):
    """What makes executions ones of the same revision, in the order of the table's columns."""

    machine_arn: str
    definition: str
    role_arn: str
    express: bool = False
    version_arn: str | None = None
    alias_arn: str | None = None
    logging: str | None = None
    processor: str | None = None


@dataclass(frozen=True, slots=True)
class Revision:
    """What executions have in common that were started in the same way; kept once."""

    id: int
    machine_arn: str
    """Without version or alias; of a map run's child `...:stateMachine:<name>/<label>`."""
    definition: str
    role_arn: str
    express: bool
    version_arn: str | None = None
    alias_arn: str | None = None
    logging: str | None = None
    """The loggingConfiguration, as JSON."""
    processor: str | None = None
    """Of a map run's children: where in the definition their Map state stands (`asl.machine.processors`)."""

    @property
    def key(self) -> RevisionKey:
        return RevisionKey(
            self.machine_arn, self.definition, self.role_arn, self.express, self.version_arn, self.alias_arn,
            self.logging, self.processor,
        )  # fmt: skip


@dataclass(slots=True)
class ExecutionRow:
    id: int
    revision: Revision
    name: str
    """Of an Express execution `<name>:<uuid>`."""
    status: str
    started: float
    """Seconds since 1970, here and below."""
    stopped: float | None = None
    trace_header: str | None = None
    map_run: str | None = None
    """The ARN of the map run whose child it is."""
    item: int | None = None
    """Which child of the map run."""
    redrives: int = 0
    redriven: float | None = None

    @property
    def arn(self) -> str:
        return execution_arn(self.revision.machine_arn, self.name, express=self.revision.express)

    @property
    def machine_arn(self) -> str:
        return self.revision.machine_arn

    @property
    def machine_name(self) -> str:
        return self.revision.machine_arn.rpartition(":stateMachine:")[2]

    @property
    def definition(self) -> str:
        return self.revision.definition

    @property
    def role_arn(self) -> str:
        return self.revision.role_arn

    @property
    def express(self) -> bool:
        return self.revision.express

    @property
    def version_arn(self) -> str | None:
        return self.revision.version_arn

    @property
    def alias_arn(self) -> str | None:
        return self.revision.alias_arn

    def values(self) -> tuple[Any, ...]:
        """Returns the values in the order of the table's columns."""
        return (
            self.id,
            self.name,
            self.status,
            self.started,
            self.stopped,
            self.trace_header,
            self.map_run,
            self.item,
            self.redrives,
            self.redriven,
        )


def execution_arn(machine_arn: str, name: str, *, express: bool = False) -> str:
    kind = ":express:" if express else ":execution:"
    return f"{machine_arn.replace(':stateMachine:', kind, 1)}:{name}"


def machine_and_name(arn: str) -> tuple[str, str] | None:
    """Returns the ARN of the state machine and the execution's name; None where it is no execution's ARN."""
    for kind in (":execution:", ":express:"):
        head, is_kind, tail = arn.partition(kind)
        machine, separator, name = tail.partition(":")
        if is_kind and separator and machine and name:
            return f"{head}:stateMachine:{machine}", name
    return None
