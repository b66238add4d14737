"""What an execution is begun with."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NewExecution:
    machine_arn: str
    """Without version or alias."""
    definition: str
    """Valid, as it was checked when the state machine was made."""
    role_arn: str
    input: str
    """JSON."""
    name: str | None = None
    """None: one is made."""
    express: bool = False
    version_arn: str | None = None
    alias_arn: str | None = None
    logging: str | None = None
    """The loggingConfiguration, as JSON."""
    trace_header: str | None = None
    processor: str | None = None
    """Of a map run's child, here and below: where in the definition its Map state stands."""
    map_run: str | None = None
    item: int | None = None
