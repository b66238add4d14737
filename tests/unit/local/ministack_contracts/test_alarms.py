"""How MiniStack evaluates alarms, as local/ministack/alarms.py takes it to be; and that alarms hold then."""

import inspect
import time
from typing import Any

import pytest
from ministack.services import cloudwatch

from local.ministack import alarms

ERRORS = {
    "Namespace": "AWS/SageMaker", "MetricName": "Invocation5XXErrors", "Statistic": "Sum", "Period": 60,
    "EvaluationPeriods": 1, "Threshold": 0, "ComparisonOperator": "GreaterThanThreshold",
    "TreatMissingData": "notBreaching",
}  # fmt: skip


@pytest.fixture
def state() -> Any:
    """Asks for an alarm's state, with alarms evaluated as `install` has it; nothing stays changed."""
    before = dict(vars(cloudwatch))
    alarms.install()
    try:
        yield _state
    finally:
        cloudwatch.reset()
        vars(cloudwatch).update(before)


def _state(name: str) -> str:
    answer = cloudwatch._describe_alarms({}, {"AlarmNames": [name]}, False, True)
    assert answer[0] == 200
    return str(cloudwatch._alarms[name]["StateValue"])


def watched(endpoint: str) -> dict[str, Any]:
    name = f"{endpoint}-5xx"
    dimensions = [{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": "AllTraffic"}]
    cloudwatch._put_metric_alarm({}, {**ERRORS, "AlarmName": name, "Dimensions": dimensions}, False, True)
    alarm: dict[str, Any] = cloudwatch._alarms[name]
    return alarm


def errs(endpoint: str, count: float, age: float = 0) -> None:
    dimensions = {"EndpointName": endpoint, "VariantName": "AllTraffic"}
    moment = time.time() - age
    cloudwatch._store_datum("AWS/SageMaker", "Invocation5XXErrors", dimensions, moment, "None", count, None, None, None)


def test_an_alarm_is_of_its_own_dimensions(state: Any) -> None:
    watched("one")
    watched("other")
    errs("one", 3)
    assert (state("one-5xx"), state("other-5xx")) == ("ALARM", "INSUFFICIENT_DATA")


def test_an_alarm_whose_metric_falls_silent_does_as_it_is_told(state: Any) -> None:
    alarm = watched("one")
    errs("one", 3, age=50)
    assert state("one-5xx") == "ALARM"
    cloudwatch._metrics.clear()
    assert state("one-5xx") == "ALARM", "it is as young as its points were"
    alarm["StateUpdatedTimestamp"] -= 61
    assert state("one-5xx") == "OK"


def test_what_is_leant_on_is_there() -> None:
    assert list(inspect.signature(cloudwatch._evaluate_alarm).parameters) == ["alarm"]
    assert "_evaluate_alarm(alarm)" in inspect.getsource(cloudwatch._evaluate_all_alarms)
    assert '"DescribeAlarms": _describe_alarms' in inspect.getsource(cloudwatch)
    for name in ("_record_history", "_dispatch_alarm_actions", "_evaluate_parent_alarms", "_stat_value", "_calc_stats"):
        assert callable(getattr(cloudwatch, name))
