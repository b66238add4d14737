"""Tasks and a world for integrations, which keep what becomes of them."""

import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from local.clients import LocalClients
from local.stepfunctions.asl.resources import parse
from local.stepfunctions.interpreter.commands import ScheduleTask

ARN = "arn:aws:states:us-east-1:000000000000"
_SECONDS = 20.0


def command(resource: str, arguments: Any, **members: Any) -> ScheduleTask:
    """`resource`: an ARN, or what follows `arn:aws:states:::`."""
    found = parse(resource if resource.startswith("arn:") else f"arn:aws:states:::{resource}")
    assert found is not None, resource
    return replace(ScheduleTask(3, "S0", found, arguments, "token", None, None, None), **members)


@dataclass
class RecordedTask:
    command: ScheduleTask
    key: str = field(default_factory=lambda: str(uuid.uuid4()))
    execution_arn: str = f"{ARN}:execution:m:e"
    machine_arn: str = f"{ARN}:stateMachine:m"
    role_arn: str = "arn:aws:iam::000000000000:role/r"
    region: str = "us-east-1"
    account: str = "000000000000"
    log: list[tuple[str | None, ...]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def started(self) -> None:
        self._said("started")

    def submitted(self, output: str) -> None:
        self._said("submitted", output)

    def succeeded(self, output: str) -> None:
        self._said("succeeded", output)

    def failed(self, error: str | None, cause: str | None) -> None:
        self._said("failed", error, cause)

    def _said(self, *what: str | None) -> None:
        with self.changed:
            self.log.append(what)
            self.changed.notify_all()

    def wait(self, *words: str) -> tuple[str | None, ...]:
        """The first entry of the log with one of these words."""
        with self.changed:
            assert self.changed.wait_for(lambda: any(one[0] in words for one in self.log), _SECONDS), self.log
            return next(one for one in self.log if one[0] in words)

    def output(self) -> str:
        said = self.wait("succeeded", "failed")
        assert said[0] == "succeeded", said
        return str(said[1])

    def failure(self) -> tuple[str, str]:
        said = self.wait("succeeded", "failed")
        assert said[0] == "failed", said
        return str(said[1]), str(said[2])


@dataclass
class ApiError(Exception):
    code: str
    message: str


@dataclass
class RecordedWorld:
    clients: LocalClients
    requests: list[Mapping[str, Any]] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    refusal: ApiError | None = None
    callbacks: dict[str, Callable[[Any], None]] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def client(self, service: str) -> Any:
        return self.clients.client(service)

    def start_execution(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        self.requests.append(request)
        if self.refusal is not None:
            raise self.refusal
        machine = request["stateMachineArn"].split(":")[-1]
        return {"executionArn": f"{ARN}:execution:{machine}:{request['name']}", "startDate": 1000.5}

    def stop_execution(self, arn: str) -> None:
        with self.changed:
            self.stopped.append(arn)
            self.changed.notify_all()

    def when_over(self, arn: str, callback: Callable[[Any], None]) -> None:
        with self.changed:
            self.callbacks[arn] = callback
            self.changed.notify_all()

    def over(self, arn: str) -> None:
        """The execution of this ARN is over."""
        with self.changed:
            assert self.changed.wait_for(lambda: arn in self.callbacks, _SECONDS)
            callback = self.callbacks.pop(arn)
        callback(None)

    def wait_for_stop(self) -> str:
        with self.changed:
            assert self.changed.wait_for(lambda: bool(self.stopped), _SECONDS)
            return self.stopped[0]
