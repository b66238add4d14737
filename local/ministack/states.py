"""Step Functions in MiniStack's place: every way in which something inside starts an execution leads to our engine.

The endpoint itself, EventBridge and Scheduler (starting.py), Pipes, and CloudFormation (machines.py).
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from local.ministack import gateways, machines, pipes, targets
from local.ministack.serving import mount
from local.ministack.starting import Starts
from local.stepfunctions.api.errors import ApiError
from local.surroundings import Handler

SERVICE = "states"

Triple = tuple[int, dict[str, str], bytes]
"""What MiniStack's handlers answer: status, headers, body."""


class StatesDoor(Protocol):
    """The engine, as the rest of the cloud calls it."""

    @property
    def handle(self) -> Handler:
        """Answers a request of the endpoint."""

    def call(self, operation: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answers an operation by name. Blocks until it is committed; raises ApiError."""


def install(engine: StatesDoor, client: Callable[[str], Any]) -> Starts:
    """Let the engine answer for Step Functions, whoever asks. What is returned has to be closed."""
    from ministack.services import eventbridge, stepfunctions
    from ministack.services.cloudformation import provisioners

    mount(SERVICE, engine.handle)
    stepfunctions._start_execution = lambda request: _answer(engine, "StartExecution", request)
    stepfunctions._state_machines = Known(engine)
    # The journal of the engine is the only truth, and it is on disk already.
    stepfunctions.get_state = dict
    stepfunctions.load_persisted_state = _restore_nothing
    machines.install(engine.call, provisioners)
    targets.install()
    pipes.install(client)
    gateways.install(engine.handle)
    starts = Starts(engine.call, client)
    starts.install(eventbridge)
    return starts


def _restore_nothing(_: object) -> None:
    return


def _answer(engine: StatesDoor, operation: str, request: Mapping[str, Any]) -> Triple:
    headers = {"Content-Type": "application/x-amz-json-1.0"}
    try:
        document = engine.call(operation, request)
    except ApiError as error:
        body = {"__type": error.code, "message": error.message}
        return error.status, headers, json.dumps(body).encode()
    return 200, headers, json.dumps(document, default=str).encode()


class Known(Mapping[str, Mapping[str, Any]]):
    """The state machines that there are, by ARN: CloudFormation's drift detection looks here."""

    def __init__(self, engine: StatesDoor) -> None:
        self._engine = engine

    def __getitem__(self, arn: str) -> Mapping[str, Any]:
        try:
            return self._engine.call("DescribeStateMachine", {"stateMachineArn": arn})
        except ApiError as error:
            raise KeyError(arn) from error

    def __iter__(self) -> Iterator[str]:
        request: dict[str, Any] = {}
        while True:
            page = self._engine.call("ListStateMachines", request)
            yield from (machine["stateMachineArn"] for machine in page["stateMachines"])
            if "nextToken" not in page:
                return
            request = {"nextToken": page["nextToken"]}

    def __len__(self) -> int:
        return sum(1 for _ in self)
