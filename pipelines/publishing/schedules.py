"""An algorithm's `retrain` section -> the schedule that starts the state machine `retraining` for it.

The group, the role and the dead-letter queue are the template's; the schedule comes and goes with the algorithm.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from botocore.exceptions import ClientError

from pipelines.documents import Document, Json
from pipelines.environment import Environment, dashed
from pipelines.product import CompiledPipeline
from pipelines.publishing.changes import Action, Change, Kind, Step, unchanged
from pipelines.publishing.publication import Publication, is_missing

# Scheduler's own limit of a day would hide a broken role for as long.
_RETRY: Final = {"MaximumRetryAttempts": 24, "MaximumEventAgeInSeconds": 3600}


def schedule_name(environment: Environment, algorithm: str) -> str:
    """Returns the schedule's name inside the group."""
    return f"{_prefix(environment)}{dashed(algorithm)}"


def listed(publication: Publication) -> frozenset[str]:
    """Returns the names of the schedules that publishing made."""
    environment = publication.environment
    paginator = publication.clients.scheduler.get_paginator("list_schedules")
    pages = paginator.paginate(GroupName=environment.schedule_group, NamePrefix=_prefix(environment))
    return frozenset(item["Name"] for page in pages for item in page["Schedules"])


def described(publication: Publication, name: str) -> Document | None:
    """Returns one schedule, or None when it went away meanwhile."""
    try:
        return dict(
            publication.clients.scheduler.get_schedule(GroupName=publication.environment.schedule_group, Name=name)
        )
    except ClientError as error:
        if not is_missing(error):
            raise
        return None


def steps(
    publication: Publication, pipelines: Sequence[CompiledPipeline], standing: Mapping[str, Mapping[str, Json]]
) -> Iterator[Step]:
    """Yields what is created, updated and left, for those that are trained anew."""
    scheduler, environment = publication.clients.scheduler, publication.environment
    for pipeline in pipelines:
        if pipeline.retrain_schedule is None:
            continue
        wanted = wanted_schedule(environment, pipeline.name, pipeline.retrain_schedule)
        current = standing.get(wanted["Name"])
        if current is None:
            change = Change(Kind.SCHEDULE, pipeline.name, Action.CREATE, pipeline.retrain_schedule)
            yield Step(change, partial(scheduler.create_schedule, **wanted))
        elif _agrees(wanted, current):
            yield unchanged(Kind.SCHEDULE, pipeline.name)
        else:
            detail = ", ".join(key for key in wanted if not _agrees({key: wanted[key]}, current))
            change = Change(Kind.SCHEDULE, pipeline.name, Action.UPDATE, detail)
            yield Step(change, partial(scheduler.update_schedule, **wanted))


def removals(publication: Publication, names: Sequence[str]) -> Iterator[Step]:
    """Yields the ends of schedules that stand, by their own names."""
    for name in names:
        change = Change(Kind.SCHEDULE, name, Action.DELETE, "nothing is trained anew by it")
        yield Step(change, partial(_delete, publication, name))


def wanted_schedule(environment: Environment, algorithm: str, expression: str) -> Document:
    """Returns the CreateSchedule and UpdateSchedule request. `expression` is UTC: `rate(...)` or `cron(...)`."""
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


def _prefix(environment: Environment) -> str:
    return f"{environment.prefix}-retrain-"


def _delete(publication: Publication, name: str) -> None:
    try:
        publication.clients.scheduler.delete_schedule(GroupName=publication.environment.schedule_group, Name=name)
    except ClientError as error:
        if not is_missing(error):
            raise


def _agrees(wanted: Mapping[str, Json], current: Mapping[str, Json]) -> bool:
    """Tells whether everything that is wanted stands so; what the service adds of its own does not count."""
    return all(
        _agrees(value, current[key])
        if isinstance(value, dict) and isinstance(current.get(key), dict)
        else value == current.get(key)
        for key, value in wanted.items()
    )
