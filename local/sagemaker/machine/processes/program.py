"""What a container is to run, as its job or endpoint says it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Program:
    """The words, and what is set and reached besides what every container has."""

    argv: Sequence[str]
    variables: Mapping[str, str]
    hosts: Mapping[str, str] = field(default_factory=lambda: {"algo-1": "127.0.0.1"})
    """Names that resolve, with their addresses."""
    network: bool = True
