"""An endpoint as SageMaker tells it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EndpointState:
    name: str
    status: str
    config: str
    failure_reason: str
    asynchronous: bool = False

    @property
    def at_rest(self) -> bool:
        return self.status == "InService"
