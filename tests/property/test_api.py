"""No request makes the API fail, or the engine behind it stop."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.stepfunctions.api.errors import ApiError
from local.stepfunctions.service import Settings, StepFunctions
from tests.property.strategies import INPUTS, JSON, NOT_QUITE_JSON, SCALARS, TEXTS, definitions, spoilt
from tests.unit.local.stepfunctions.api.cloud import ROLE, FakeCloud

_ACCOUNT = "arn:aws:states:us-east-1:000000000000"
_PASS = json.dumps({"StartAt": "S", "States": {"S": {"Type": "Pass", "End": True}}})
_NAMES = (
    st.sampled_from(["known", "other", "third", "fourth", "a" * 80, "a" * 81, "", "é", "x y", "known:1", "\ud800"])
    | TEXTS
)
_ARNS = st.one_of(
    st.builds(lambda kind, name: f"{_ACCOUNT}:{kind}:{name}", st.sampled_from(
        ["stateMachine", "execution", "express", "activity", "mapRun", "stateMachine:known", "execution:known"]
    ), _NAMES),
    TEXTS,
)  # fmt: skip
_DEFINITIONS = st.one_of(
    definitions().map(json.dumps),
    definitions().map(json.dumps),
    spoilt().map(json.dumps),
    NOT_QUITE_JSON,
    JSON.map(json.dumps),
)
_STATES = definitions().map(lambda made: json.dumps(made["States"][made["StartAt"]])) | _DEFINITIONS
_TEXTS = (
    INPUTS.map(json.dumps)
    | INPUTS.map(json.dumps)
    | INPUTS.map(lambda value: json.dumps(value, ensure_ascii=False))
    | NOT_QUITE_JSON
)
_SAID = TEXTS.map(str)
_TOKENS = TEXTS.map(lambda text: f"AAAA{text}")
_REQUESTS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "CreateStateMachine": {"name": _NAMES, "definition": _DEFINITIONS, "roleArn": st.just(ROLE),
                           "type": st.sampled_from(["STANDARD", "EXPRESS", "OTHER"]), "publish": st.booleans(),
                           "versionDescription": TEXTS, "tags": JSON, "loggingConfiguration": JSON},
    "UpdateStateMachine": {"stateMachineArn": _ARNS, "definition": _DEFINITIONS, "roleArn": st.just(ROLE)},
    "ValidateStateMachineDefinition": {"definition": _DEFINITIONS, "maxResults": SCALARS},
    "TestState": {"definition": _STATES, "input": _TEXTS, "roleArn": st.just(ROLE), "variables": _TEXTS,
                  "inspectionLevel": st.sampled_from(["INFO", "DEBUG", "TRACE"])},
    "StartExecution": {"stateMachineArn": _ARNS, "name": _NAMES, "input": _TEXTS, "traceHeader": _SAID},
    "StopExecution": {"executionArn": _ARNS, "error": _SAID, "cause": _SAID},
    "RedriveExecution": {"executionArn": _ARNS, "clientToken": TEXTS},
    "DescribeExecution": {"executionArn": _ARNS, "includedData": SCALARS},
    "GetExecutionHistory": {"executionArn": _ARNS, "nextToken": TEXTS, "maxResults": SCALARS},
    "ListExecutions": {"stateMachineArn": _ARNS, "nextToken": TEXTS, "maxResults": SCALARS, "statusFilter": TEXTS},
    "SendTaskSuccess": {"taskToken": _TOKENS, "output": _TEXTS},
    "SendTaskFailure": {"taskToken": _TOKENS, "error": _SAID, "cause": _SAID},
    "SendTaskHeartbeat": {"taskToken": _TOKENS},
    "CreateActivity": {"name": _NAMES, "tags": JSON},
    "TagResource": {"resourceArn": _ARNS, "tags": JSON},
    "DescribeMapRun": {"mapRunArn": _ARNS},
    "CreateStateMachineAlias": {"name": _NAMES, "routingConfiguration": JSON, "description": TEXTS},
}  # fmt: skip
_RARELY = (JSON, SCALARS, TEXTS)
_KNOWN = {"stateMachineArn": f"{_ACCOUNT}:stateMachine:known", "executionArn": f"{_ACCOUNT}:execution:known:known"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StepFunctions]:
    before = threading.active_count()
    made = StepFunctions(FakeCloud(), Settings(state_dir=Path(tmp_path_factory.mktemp("states"))))
    made.start()
    made.resume()
    made.call("CreateStateMachine", {"name": "known", "definition": _PASS, "roleArn": ROLE})
    made.call("StartExecution", {"stateMachineArn": _KNOWN["stateMachineArn"], "name": "known"})
    yield made
    made.stop()
    assert threading.active_count() <= before


@st.composite
def _requests(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    operation = draw(st.sampled_from(sorted(_REQUESTS)))
    fields = _REQUESTS[operation]
    # Most requests are complete, and name something that exists; what is of the wrong shape is rare.
    request = {
        name: draw(value) for name, value in fields.items() if draw(st.integers(0, 9)) > (8 if value in _RARELY else 0)
    }
    request |= {name: arn for name, arn in _KNOWN.items() if name in request and draw(st.integers(0, 3))}
    if not draw(st.integers(0, 9)):
        request[draw(st.sampled_from(sorted(fields)))] = draw(JSON)
    return operation, request


@settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(_requests())
def test_any_request_is_answered_or_refused(service: StepFunctions, asked: tuple[str, dict[str, Any]]) -> None:
    operation, request = asked
    try:
        service.call(operation, request)
    except ApiError as error:
        told = error
        assert told.status < 500, (operation, request, told)
    # The engine goes on.
    assert service.call("DescribeExecution", {"executionArn": _KNOWN["executionArn"]})["status"]
