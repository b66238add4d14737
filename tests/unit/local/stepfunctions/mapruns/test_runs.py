import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from local.stepfunctions.executor.turn import Turn
from local.stepfunctions.journal import mapruns as rows
from local.stepfunctions.journal.errors import JournalFull
from local.stepfunctions.mapruns.runs import STARTED_AT_ONCE, NotRunning
from tests.unit.local.stepfunctions.executor.world import SECONDS, killed
from tests.unit.local.stepfunctions.mapruns.world import spread, working, world
from tests.unit.local.stepfunctions.world import task

_EXCEEDED = ("States.ExceedToleratedFailureThreshold", "The specified tolerated failure threshold was exceeded")


def test_results_stand_in_the_order_of_items(tmp_path: Path) -> None:
    with world(tmp_path) as at:
        arn = at.begin(working(), [1, 2, 3])
        for child in reversed(at.next(3)):
            child.succeeded(json.dumps(child.command.arguments["in"] * 10))
        over = at.over(arn)
        assert over.output == "[10,20,30]"
        assert at.types(arn)[2:7] == [
            "MapStateStarted",
            "MapRunStarted",
            "MapRunSucceeded",
            "MapStateSucceeded",
            "MapStateExited",
        ]
        assert at.map_run(arn).status == "SUCCEEDED"


@pytest.mark.parametrize("kind", ["STANDARD", "EXPRESS"])
def test_children_are_executions_of_the_processor(tmp_path: Path, kind: str) -> None:
    with world(tmp_path) as at:
        told = {"Type": "Pass", "Parameters": {"machine.$": "$$.StateMachine.Id", "execution.$": "$$.Execution.Id"}}
        (child,) = at.output(spread(told, kind=kind), [1])
        assert child["machine"].endswith(":stateMachine:m/each")
        assert (":execution:" if kind == "STANDARD" else ":express:") + "m/each:" in child["execution"]


def test_more_children_than_a_turn_starts_all_run(tmp_path: Path) -> None:
    items = list(range(3 * STARTED_AT_ONCE + 7))
    with world(tmp_path) as at:
        assert at.output(spread({"Type": "Pass"}), items) == items
        assert at.output(spread({"Type": "Pass"}, MaxConcurrency=3), items) == items


def test_no_items_give_no_results(tmp_path: Path) -> None:
    with world(tmp_path) as at:
        assert at.output(spread({"Type": "Pass"}), []) == []


def test_no_more_children_run_than_allowed(tmp_path: Path) -> None:
    with world(tmp_path) as at:
        arn = at.begin(working(MaxConcurrency=2), [1, 2, 3])
        first, _ = at.next(2)
        at.settle()
        assert at.statuses(arn) == ["RUNNING", "RUNNING"]
        first.succeeded("1")
        at.next(1)
        assert at.statuses(arn) == ["SUCCEEDED", "RUNNING", "RUNNING"]


def test_first_failure_ends_the_run_and_aborts_the_others(tmp_path: Path) -> None:
    with world(tmp_path) as at:
        arn = at.begin(working(MaxConcurrency=2), [1, 2, 3])
        first, _ = at.next(2)
        first.failed("E", "C")
        over = at.over(arn)
        assert (over.error, over.cause) == _EXCEEDED
        assert at.statuses(arn) == ["FAILED", "ABORTED"]
        assert at.types(arn)[-3:] == ["MapRunFailed", "MapStateFailed", "ExecutionFailed"]
        assert at.map_run(arn).status == "FAILED"


@pytest.mark.parametrize(
    ("tolerated", "succeeds"),
    [
        ({"ToleratedFailureCount": 1}, False),
        ({"ToleratedFailureCount": 2}, True),
        ({"ToleratedFailurePercentage": 49}, False),
        ({"ToleratedFailurePercentage": 50}, True),
        ({"ToleratedFailureCount": 4, "ToleratedFailurePercentage": 25}, False),
    ],
)
def test_as_many_items_may_fail_as_are_tolerated(tmp_path: Path, tolerated: dict[str, Any], succeeds: bool) -> None:
    with world(tmp_path) as at:
        arn = at.begin(working(**tolerated), [1, 2, 3, 4])
        for index, child in enumerate(at.next(4)):
            if index % 2:
                child.succeeded("1")
            else:
                child.failed("E", "C")
        assert (at.over(arn).row.status == "SUCCEEDED") is succeeds


def test_failed_child_stands_in_the_results_with_what_it_was(tmp_path: Path) -> None:
    with world(tmp_path) as at:
        arn = at.begin(working(ToleratedFailureCount=1), ["a", "b"])
        first, second = at.next(2)
        first.failed("E", "C")
        second.succeeded("2")
        output = json.loads(at.over(arn).output or "")
        assert output[1] == 2
        assert {name: output[0][name] for name in ("Error", "Cause", "Status", "Input", "RedriveStatus")} == {
            "Error": "E",
            "Cause": "C",
            "Status": "FAILED",
            "Input": '"a"',
            "RedriveStatus": "REDRIVABLE",
        }


def test_failure_of_a_batch_is_one_of_all_its_items(tmp_path: Path) -> None:
    batches = {"MaxItemsPerBatch": 2, "BatchInput": {"b": 1}}
    with world(tmp_path) as at:
        arn = at.begin(working(ItemBatcher=batches, ToleratedFailureCount=1, MaxConcurrency=1), [1, 2, 3])
        (child,) = at.next(1)
        assert child.command.arguments["in"] == {"BatchInput": {"b": 1}, "Items": [1, 2]}
        child.failed("E", None)
        assert (at.over(arn).error, at.over(arn).cause) == _EXCEEDED
        items, executions = rows.counts(at.executor.reader.select, at.map_run(arn))
        assert (items.failed, items.total, executions.failed, executions.total) == (2, 3, 1, 2)


def test_stopping_the_execution_stops_the_children(tmp_path: Path) -> None:
    with world(tmp_path) as at:
        arn = at.begin(working(), [1, 2])
        at.next(2)
        at.executor.stop_execution(arn).result(SECONDS)
        at.settle()
        assert at.statuses(arn) == ["ABORTED", "ABORTED"]
        assert at.map_run(arn).status == "ABORTED"


def test_result_that_is_too_large_fails_the_run(tmp_path: Path) -> None:
    large = {"Type": "Pass", "Result": "x" * 200_000}
    with world(tmp_path) as at:
        error, _ = at.failure(spread(large), [1, 2])
        assert error == "States.DataLimitExceeded"


def test_maps_may_be_inside_one_another(tmp_path: Path) -> None:
    inner = spread({"Type": "Pass"})["States"]["S0"] | {"ItemsPath": "$.items", "Label": "inner"}
    with world(tmp_path) as at:
        assert at.output(spread(inner), [{"items": [1, 2]}, {"items": [3]}]) == [[1, 2], [3]]


def test_settings_can_be_changed_while_it_runs(tmp_path: Path) -> None:
    with world(tmp_path) as at:
        arn = at.begin(working(MaxConcurrency=1, ToleratedFailureCount=2), [1, 2, 3, 4])
        (child,) = at.next(1)
        run = at.map_run(arn).arn
        at.on_the_thread(lambda turn: at.runs.update(turn, run, max_concurrency=3))
        at.next(2)
        child.failed("E", None)
        at.next(1)
        at.on_the_thread(lambda turn: at.runs.update(turn, run, tolerated_count=0))
        assert (at.over(arn).error, at.over(arn).cause) == _EXCEEDED
        with pytest.raises(NotRunning):
            at.on_the_thread(lambda turn: at.runs.update(turn, run, max_concurrency=3))


def test_run_goes_on_after_a_crash_and_each_child_is_run_once(tmp_path: Path) -> None:
    definition = working(MaxConcurrency=2)
    folder = tmp_path / "before"
    folder.mkdir()
    with world(folder) as at:
        arn = at.begin(definition, [1, 2, 3])
        first, _ = at.next(2)
        first.succeeded("10")
        at.next(1)
        left = killed(folder, tmp_path / "after")
    with world(left) as at:
        for child in at.next(2):
            child.succeeded(json.dumps(child.command.arguments["in"] * 10))
        assert at.over(arn).output == "[10,20,30]"
        assert at.statuses(arn) == ["SUCCEEDED"] * 3


def test_run_whose_execution_ended_just_before_a_crash_is_ended(tmp_path: Path) -> None:
    folder = tmp_path / "before"
    folder.mkdir()
    with world(folder) as at:
        arn = at.begin(working(), [1])
        at.next(1)
        at.runs.cancel = lambda *_: None  # type: ignore[method-assign]
        at.executor.stop_execution(arn).result(SECONDS)
        at.settle()
        left = killed(folder, tmp_path / "after")
    with world(left) as at:
        at.settle()
        assert (at.map_run(arn).status, at.statuses(arn)) == ("ABORTED", ["ABORTED"])


def test_turn_that_is_not_committed_is_made_up_for(tmp_path: Path) -> None:
    with world(tmp_path) as at:
        arn = at.begin(working(MaxConcurrency=1), [1, 2])
        (first,) = at.next(1)
        at.settle()
        commit = at.journal.commit
        failures = [JournalFull("full")]

        def failing() -> None:
            if failures:
                raise failures.pop()
            commit()

        at.journal.commit = failing  # type: ignore[method-assign]
        first.succeeded("1")
        while failures:
            with suppress(JournalFull):
                at.settle()
        at.clock.now += 5
        at.settle()
        (second,) = at.next(1)
        second.succeeded("2")
        assert at.over(arn).output == "[1,2]"


@pytest.mark.parametrize("kind", ["STANDARD", "EXPRESS"])
def test_redrive_tries_the_failed_children_again_and_no_others(tmp_path: Path, kind: str) -> None:
    definition = spread(task(Parameters={"in.$": "$"}), kind=kind, MaxConcurrency=3)
    with world(tmp_path) as at:
        arn = at.begin(definition, [1, 2, 3, 4])
        first, second, _ = at.next(3)
        first.succeeded("10")
        fourth = at.next(1)
        assert fourth[0].command.arguments == {"in": 4}
        second.failed("E", None)
        assert at.over(arn).row.status == "FAILED"
        assert at.statuses(arn) == ["SUCCEEDED", "FAILED", "ABORTED", "ABORTED"]
        at.executor.redrive_execution(arn).result(SECONDS)
        for child in at.next(3):
            child.succeeded(json.dumps(child.command.arguments["in"] * 10))
        assert at.over(arn).output == "[10,20,30,40]"
        run = at.map_run(arn)
        assert (run.status, run.redrives) == ("SUCCEEDED", 1)
        assert at.types(arn).count("MapRunStarted") == 1
        items, _ = rows.counts(at.executor.reader.select, run)
        assert (items.succeeded, items.total) == (4, 4)


def test_counts_say_what_each_child_has_come_to(tmp_path: Path) -> None:
    with world(tmp_path) as at:
        arn = at.begin(working(MaxConcurrency=2, ToleratedFailureCount=1), [1, 2, 3, 4])
        first, second = at.next(2)
        first.succeeded("1")
        at.next(1)
        second.failed("E", None)
        at.next(1)
        at.settle()
        _, counts = rows.counts(at.executor.reader.select, at.map_run(arn))
        assert (counts.succeeded, counts.failed, counts.running, counts.pending, counts.total) == (1, 1, 2, 0, 4)


def test_children_that_wait_for_a_redrive_are_counted_as_such(tmp_path: Path) -> None:
    with world(tmp_path) as at:
        arn = at.begin(working(MaxConcurrency=2), [1, 2, 3])
        at.next(2)[0].failed("E", None)
        at.over(arn)
        at.clock.now += 1
        run = at.map_run(arn).arn
        at.on_the_thread(lambda _: None)
        at.executor.redrive_execution(arn).result(SECONDS)
        first, _ = at.next(2)
        at.settle()
        _, counts = rows.counts(at.executor.reader.select, at.map_run(arn))
        assert (counts.running, counts.pending_redrive, counts.pending, counts.total) == (2, 0, 1, 3)
        at.on_the_thread(lambda turn: at.runs.update(turn, run, max_concurrency=1))
        first.failed("E", None)
        at.over(arn)
        at.clock.now += 1
        at.executor.redrive_execution(arn).result(SECONDS)
        at.next(1)
        at.settle()
        _, counts = rows.counts(at.executor.reader.select, at.map_run(arn))
        assert (counts.running, counts.pending_redrive, counts.pending, counts.total) == (1, 1, 1, 3)


def test_map_state_that_is_retried_begins_a_run_of_its_own(tmp_path: Path) -> None:
    retry = [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 1}]
    with world(tmp_path) as at:
        arn = at.begin(working(Retry=retry), [1])
        at.next(1)[0].failed("E", None)
        at.settle()
        first = at.map_run(arn).arn
        at.clock.now += 2
        at.settle()
        at.next(1)[0].succeeded("7")
        assert at.over(arn).output == "[7]"
        assert at.map_run(arn).arn != first


def test_child_whose_map_run_is_over_changes_nothing(tmp_path: Path) -> None:
    with world(tmp_path) as at:
        arn = at.begin(working(), [1])
        (child,) = at.next(1)
        run = at.map_run(arn).arn

        def twice(turn: Turn) -> None:
            at.runs.cancel(turn, run)
            at.runs.cancel(turn, run)

        at.on_the_thread(twice)
        child.succeeded("1")
        at.settle()
        assert at.statuses(arn) == ["ABORTED"]
