"""The retraining walk: a schedule trains with the newest dataset, and does nothing when nothing is new."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.walk.cloud import Cloud, until
from tests.walk.test_training import announced, flowers, rules_disabled

pytestmark = [pytest.mark.cloud, pytest.mark.xdist_group("cloud")]


def test_a_schedule_trains_with_the_newest_dataset_once(cloud: Cloud) -> None:
    old, new = "datasets/decision_trees/autumn/old.csv", "datasets/decision_trees/autumn/new.csv"
    with rules_disabled(cloud):
        # Their events are lost: only the schedule can find them.
        for key, seed in ((old, 20), (new, 21)):
            with announced(cloud, key):
                cloud.put(key, flowers(seed))
    first = fired(cloud, "first")
    assert [run["input"]["source"]["key"] for run in first["runs"]] == [new]
    job = cloud.succeeded(new)
    assert cloud.jobs_of(old) == []
    second = fired(cloud, "second")
    assert second["runs"] == []
    assert [entry["algorithm"] for entry in second["skipped"]] == ["decision_trees"]
    assert [one["job_id"] for one in cloud.jobs_of(new)] == [job["job_id"]]


def fired(cloud: Cloud, name: str) -> Mapping[str, Any]:
    """Let a one-time schedule start `retraining` for decision_trees, as the algorithm's own does; its plan."""
    scheduler = cloud.clients.client("scheduler")
    target = next(
        scheduler.get_schedule(GroupName=entry["GroupName"], Name=entry["Name"])["Target"]
        for entry in scheduler.list_schedules()["Schedules"]
        if entry["Name"].endswith("decision-trees")
    )
    before = {run["executionArn"] for run in cloud.executions("retraining")}
    scheduler.create_schedule(
        Name=f"now-{name}",
        ScheduleExpression="at(2026-01-01T00:00:00)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": target["Arn"], "RoleArn": target["RoleArn"], "Input": target["Input"]},
    )

    def ended() -> Mapping[str, Any] | None:
        runs = [run for run in cloud.executions("retraining") if run["executionArn"] not in before]
        return runs[0] if runs and runs[0]["status"] != "RUNNING" else None

    run = until(ended, "the scheduled retraining")
    assert run["status"] == "SUCCEEDED", run
    history = cloud.clients.client("stepfunctions").get_execution_history(executionArn=run["executionArn"])
    outputs = [event.get("stateExitedEventDetails", {}) for event in history["events"]]
    plan = next(json.loads(details["output"]) for details in outputs if details.get("name") == "Plan")
    return dict(plan)
