"""CloudWatch alarms as AWS evaluates them: over the metric of their own dimensions, and also when nothing is told.

MiniStack takes every point of a metric's name, whatever its dimensions, so that one endpoint's errors would put the
alarm of another into ALARM; and an alarm looks at its metric only when something is put, so that one whose metric has
fallen silent stays as it was.
"""

import operator
import time
from collections.abc import Callable, Mapping
from typing import Any

Alarm = dict[str, Any]

_BREACHES: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
_IN_SILENCE = {"notBreaching": "OK", "breaching": "ALARM", "missing": "INSUFFICIENT_DATA"}
"""TreatMissingData; `ignore` keeps the state.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
"""


def install() -> None:
    """Evaluate alarms so, and once more before they are described."""
    from ministack.services import cloudwatch

    others, describe = cloudwatch._evaluate_alarm, cloudwatch._describe_alarms

    def evaluate(alarm: Alarm) -> None:
        if alarm.get("ComparisonOperator") in _BREACHES:
            _evaluate(cloudwatch, alarm, time.time())
        else:
            others(alarm)

    def described(*arguments: Any) -> Any:
        cloudwatch._evaluate_all_alarms()
        return describe(*arguments)

    cloudwatch._evaluate_alarm = evaluate
    cloudwatch._describe_alarms = described


def _evaluate(cloudwatch: Any, alarm: Alarm, now: float) -> None:
    """Brings a metric alarm to the state that its metric's points call for."""
    window = alarm.get("Period", 60) * alarm.get("EvaluationPeriods", 1)
    dimensions = cloudwatch._dims_key(cloudwatch._dims_from_list(alarm.get("Dimensions") or []))
    points = cloudwatch._metrics.get((alarm["Namespace"], alarm["MetricName"], dimensions), ())
    recent = [point for point in points if point["Timestamp"] >= now - window]
    if not recent:
        # A state that is younger was brought about by points, or set by hand: it holds for as long.
        if now - alarm["StateUpdatedTimestamp"] >= window:
            treated = _IN_SILENCE.get(alarm.get("TreatMissingData", "missing"))
            _become(
                cloudwatch, alarm, treated or alarm["StateValue"], f"no datapoints were received for {window} seconds"
            )
        return
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic", "Average")
    value = cloudwatch._stat_value(cloudwatch._calc_stats(recent), statistic, recent)
    if value is not None:
        sign, threshold = alarm["ComparisonOperator"], alarm.get("Threshold", 0)
        breaching = _BREACHES[sign](value, threshold)
        reason = f"Threshold Crossed: {statistic} {value} {sign} {threshold}"
        _become(cloudwatch, alarm, "ALARM" if breaching else "OK", reason)


def _become(cloudwatch: Any, alarm: Alarm, state: str, reason: str) -> None:
    old = alarm["StateValue"]
    if state == old:
        return
    alarm |= {"StateValue": state, "StateReason": reason, "StateUpdatedTimestamp": int(time.time())}
    cloudwatch._record_history(alarm["AlarmName"], old, state, reason)
    cloudwatch._dispatch_alarm_actions(alarm, old, state, reason)
    cloudwatch._evaluate_parent_alarms(alarm)
