"""An algorithm's `retrain` section -> the schedule that starts the state machine `retraining` for it.

The group, the role and the dead-letter queue are the template's; the schedule comes and goes with the algorithm.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from pipelines.environment import Environment, dashed

if TYPE_CHECKING:
    from mypy_boto3_scheduler import EventBridgeSchedulerClient

# Scheduler's own limit of a day would hide a broken role for as long.
_RETRY: Final = {"MaximumRetryAttempts": 24, "MaximumEventAgeInSeconds": 3600}


def schedule_name(environment: Environment, algorithm: str) -> str:
    """The schedule's name inside the group."""
    return f"{environment.prefix}-retrain-{dashed(algorithm)}"


def wanted_schedule(environment: Environment, algorithm: str, expression: str) -> dict[str, Any]:
    """The CreateSchedule and UpdateSchedule request. `expression` is UTC: `rate(...)` or `cron(...)`."""
    return {
        "GroupName": environment.schedule_group,
        "Name": schedule_name(environment, algorithm),
        "ScheduleExpression": expression,
        "ScheduleExpressionTimezone": "UTC",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "State": "ENABLED",
        "Target": {
            "Arn": environment.retraining_state_machine_arn,
            "RoleArn": environment.scheduler_role_arn,
            "Input": json.dumps({"reason": "schedule", "algorithm": algorithm}),
            "RetryPolicy": _RETRY,
            "DeadLetterConfig": {"Arn": environment.dead_letters_arn},
        },
    }


def put_schedule(
    scheduler: "EventBridgeSchedulerClient", environment: Environment, algorithm: str, expression: str
) -> str:
    """Create the schedule, or bring it in line: `created`, `updated` or `unchanged`."""
    wanted = wanted_schedule(environment, algorithm, expression)
    current = _current(scheduler, environment, algorithm)
    if current is None:
        scheduler.create_schedule(**wanted)
        return "created"
    if _agrees(wanted, current):
        return "unchanged"
    scheduler.update_schedule(**wanted)
    return "updated"


def delete_schedule(scheduler: "EventBridgeSchedulerClient", environment: Environment, algorithm: str) -> bool:
    """Remove the schedule of an algorithm that is not trained anew; whether there was one."""
    if _current(scheduler, environment, algorithm) is None:
        return False
    scheduler.delete_schedule(GroupName=environment.schedule_group, Name=schedule_name(environment, algorithm))
    return True


def _current(
    scheduler: "EventBridgeSchedulerClient", environment: Environment, algorithm: str
) -> dict[str, Any] | None:
    name = schedule_name(environment, algorithm)
    try:
        return dict(scheduler.get_schedule(GroupName=environment.schedule_group, Name=name))
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "ResourceNotFoundException":
            raise
        return None


def _agrees(wanted: Mapping[str, Any], current: Mapping[str, Any]) -> bool:
    """Whether everything that is wanted stands so; what the service adds of its own does not count."""
    return all(
        _agrees(value, current[key])
        if isinstance(value, dict) and isinstance(current.get(key), dict)
        else value == current.get(key)
        for key, value in wanted.items()
    )
