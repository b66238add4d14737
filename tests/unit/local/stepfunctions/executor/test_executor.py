"""Executions go on from what is on the disk, and the world hears of nothing that is not."""

import json
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from local.stepfunctions.executor import tokens
from local.stepfunctions.executor.errors import AlreadyExists, ExecutorStopped, NoSuchExecution, TaskOver, TokenInvalid
from local.stepfunctions.executor.new_execution import NewExecution
from local.stepfunctions.executor.timers import Timers
from local.stepfunctions.executor.upkeep import Retention
from local.stepfunctions.interpreter import interpreter
from local.stepfunctions.interpreter.stimuli import TaskStarted, TaskSucceeded, Timer, TimerKind
from local.stepfunctions.journal.errors import JournalFull, JournalRefused
from local.stepfunctions.journal.reading import Reader
from tests.unit.local.stepfunctions.executor.world import (
    MACHINE,
    SECONDS,
    Clock,
    Tasks,
    engine,
    killed,
    one_state,
    task,
)

PASS = one_state({"Type": "Pass", "End": True})
WAIT = one_state({"Type": "Wait", "Seconds": 60, "End": True})
TASK = one_state(task())
TOKEN = one_state(
    task(
        Resource="arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        Parameters={"QueueUrl": "q", "MessageBody.$": "$$.Task.Token"},
    )
)


def test_an_execution_runs_to_its_end(tmp_path: Path) -> None:
    with engine(tmp_path) as one:
        over = one.over(one.begin(PASS, '{"a": 1}'))
    assert (over.row.status, over.output) == ("SUCCEEDED", '{"a": 1}')


def test_an_acknowledged_start_is_on_the_disk(tmp_path: Path) -> None:
    with engine(tmp_path) as one:
        arn = one.begin(WAIT)
        copy = killed(tmp_path, tmp_path / "copy")
    with engine(copy) as again:
        assert again.resumed == 1
        row = again.executor.reader.execution(arn)
        assert row is not None
        assert row.status == "RUNNING"


def test_a_task_is_carried_out_and_its_answer_goes_on(tmp_path: Path) -> None:
    with engine(tmp_path) as one:
        arn = one.begin(TASK)
        work = one.tasks.next()
        work.started()
        work.succeeded('{"b":2}')
        over = one.over(arn)
        assert over.output == '{"b":2}'
        assert one.types(arn)[2:-2] == ["TaskScheduled", "TaskStarted", "TaskSucceeded"]


def test_a_task_that_cannot_begin_fails(tmp_path: Path) -> None:
    tasks = Tasks()
    tasks.refuse = RuntimeError("no hands")
    with engine(tmp_path, tasks=tasks) as one:
        over = one.over(one.begin(TASK))
    assert over.error == "States.Runtime"
    assert "no hands" in (over.cause or "")


def test_a_wait_ends_when_it_is_due_and_not_before(tmp_path: Path) -> None:
    with engine(tmp_path) as one:
        arn = one.begin(WAIT)
        one.later(59.999)
        assert one.types(arn)[-1] == "WaitStateEntered"
        one.later(0.001)
        assert one.over(arn).row.stopped == pytest.approx(1_060.0)


def test_what_fell_due_while_nothing_ran_happens_at_once(tmp_path: Path) -> None:
    with engine(tmp_path) as one:
        early, late = one.begin(WAIT), one.begin(one_state({"Type": "Wait", "Seconds": 600, "End": True}))
        copy = killed(tmp_path, tmp_path / "copy")
    with engine(copy, Clock(1_100.0)) as again:
        assert again.over(early).row.stopped == 1_100.0
        assert again.types(late)[-1] == "WaitStateEntered"
        again.later(500.0)
        assert again.over(late).row.stopped == 1_600.0


def test_a_task_that_was_under_way_is_asked_for_once_more_under_the_same_key(tmp_path: Path) -> None:
    with engine(tmp_path) as one:
        arn = one.begin(TASK)
        first = one.tasks.next()
        first.started()
        one.settle()
        copy = killed(tmp_path, tmp_path / "copy")
    with engine(copy) as again:
        second = again.tasks.next()
        assert second.command.started
        assert second.key == first.key
        second.started()
        second.succeeded("1")
        assert again.over(arn).output == "1"
        assert again.types(arn).count("TaskStarted") == 1


def test_a_token_given_out_before_a_kill_still_answers(tmp_path: Path) -> None:
    with engine(tmp_path) as one:
        arn = one.begin(TOKEN)
        work = one.tasks.next()
        work.submitted("{}")
        one.settle()
        copy = killed(tmp_path, tmp_path / "copy")
    with engine(copy) as again:
        assert again.tasks.next().command.submission == "{}"
        again.executor.answer(work.command.token, '"done"').result(SECONDS)
        assert again.over(arn).output == '"done"'
        with pytest.raises(TaskOver):
            again.executor.answer(work.command.token, '"again"').result(SECONDS)


def test_one_that_is_heard_of_before_it_was_resumed_does_nothing_twice(tmp_path: Path) -> None:
    both = {
        "StartAt": "P",
        "States": {
            "P": {
                "Type": "Parallel",
                "Branches": [
                    {"StartAt": "A", "States": {"A": {**TOKEN["States"]["S"], "Next": "B"}, "B": task()}},
                    {"StartAt": "C", "States": {"C": task()}},
                ],
                "End": True,
            }
        },
    }
    del both["States"]["P"]["Branches"][0]["States"]["A"]["End"]  # type: ignore[index]
    with engine(tmp_path) as one:
        one.begin(both)
        token = next(work for work in (one.tasks.next(), one.tasks.next()) if work.command.state == "A").command.token
        copy = killed(tmp_path, tmp_path / "copy")
    with engine(copy, resume=False) as again:
        again.executor.answer(token, "1").result(SECONDS)
        again.executor.resume()
        again.settle()
        asked = sorted(again.tasks.next().command.state for _ in range(again.tasks.performed.qsize()))
        # A was asked for before its answer came; B follows it, once.
        assert asked == ["A", "B", "C"]


def test_a_token_that_was_made_up_is_told_from_one_that_is_over(tmp_path: Path) -> None:
    with engine(tmp_path) as one:
        for made_up in ("", "x", "?", tokens.make(b"other", 1, 3)):
            with pytest.raises(TokenInvalid):
                one.executor.answer(made_up, "1").result(SECONDS)


def test_a_heartbeat_moves_the_deadline(tmp_path: Path) -> None:
    state = {**TOKEN["States"]["S"], "HeartbeatSeconds": 10}
    with engine(tmp_path) as one:
        arn = one.begin(one_state(state))
        token = one.tasks.next().command.token
        one.later(8)
        one.executor.beat(token).result(SECONDS)
        one.later(8)
        assert one.types(arn)[-1] == "TaskScheduled"
        one.later(3)
        assert one.over(arn).error == "States.Timeout"


def test_a_name_is_given_once(tmp_path: Path) -> None:
    with engine(tmp_path) as one:
        arn = one.begin(PASS, name="n")
        with pytest.raises(AlreadyExists, match=arn):
            one.begin(PASS, name="n")


def test_two_starts_under_one_name_in_the_same_turn_make_one_execution(tmp_path: Path) -> None:
    new = NewExecution(MACHINE, json.dumps(PASS), "role", "{}", name="n")

    with engine(tmp_path) as one:

        def both(turn: Any) -> None:
            turn.start(new)
            turn.start(new)

        with pytest.raises(AlreadyExists):
            one.on_the_thread(both)
        assert len(one.executor.reader.executions(MACHINE)) == 1


def test_stopping_cancels_what_runs(tmp_path: Path) -> None:
    with engine(tmp_path) as one:
        arn = one.begin(TASK)
        work = one.tasks.next()
        one.executor.stop_execution(arn, "Halt", "why").result(SECONDS)
        assert one.tasks.cancelled.get(timeout=SECONDS) == work.key
        over = one.over(arn)
        assert (over.row.status, over.error, over.cause) == ("ABORTED", "Halt", "why")
        work.succeeded("1")
        one.settle()
        assert one.types(arn)[-1] == "ExecutionAborted"


def test_what_does_not_exist_cannot_be_stopped(tmp_path: Path) -> None:
    with engine(tmp_path) as one, pytest.raises(NoSuchExecution):
        one.executor.stop_execution(f"{MACHINE}:n").result(SECONDS)


def test_a_machine_s_timeout_ends_it(tmp_path: Path) -> None:
    with engine(tmp_path) as one:
        arn = one.begin({**WAIT, "TimeoutSeconds": 5})
        one.later(5)
        assert one.over(arn).row.status == "TIMED_OUT"
        assert len(one.executor._commands.timers) == 0


def test_a_failed_execution_is_taken_up_where_it_failed(tmp_path: Path) -> None:
    with engine(tmp_path) as one:
        arn = one.begin(TASK)
        one.tasks.next().failed("E", "c")
        assert one.over(arn).row.status == "FAILED"
        one.executor.redrive_execution(arn).result(SECONDS)
        copy = killed(tmp_path, tmp_path / "copy")
    with engine(copy) as again:
        again.tasks.next().succeeded("1")
        over = again.over(arn)
        assert (over.row.status, over.row.redrives) == ("SUCCEEDED", 1)
        assert "ExecutionRedriven" in again.types(arn)


def test_more_executions_than_are_kept_in_memory_all_go_on(tmp_path: Path) -> None:
    with engine(tmp_path) as one:
        one.executor.live._max = 3
        arns = [one.begin(WAIT) for _ in range(20)]
        one.settle()
        assert len(one.executor.live) == 3
        one.later(60)
        assert {one.over(arn).row.status for arn in arns} == {"SUCCEEDED"}


def test_an_express_execution_leaves_nothing_behind(tmp_path: Path) -> None:
    with engine(tmp_path) as one:
        at_once, later = one.begin(PASS, express=True, name="n"), one.begin(WAIT, express=True, name="n")
        assert at_once != later
        copy = killed(tmp_path, tmp_path / "copy")
        one.later(60)
        one.settle()
        assert one.executor.reader.executions(MACHINE) == []
    with engine(copy) as again:
        assert again.resumed == 1


def test_an_express_execution_whose_last_steps_share_a_turn_leaves_no_records(tmp_path: Path) -> None:
    with engine(tmp_path) as one:
        one.begin(TASK, express=True)
        work = one.tasks.next()

        def both(turn: Any) -> None:
            turn.tell(work.row.id, TaskStarted(work.command.task))
            turn.tell(work.row.id, TaskSucceeded(work.command.task, "1"))

        one.on_the_thread(both)
        assert one.executor.reader.records(work.row.id) == []


def test_a_token_of_an_express_execution_is_nobody_elses_after_a_kill(tmp_path: Path) -> None:
    with engine(tmp_path) as one:
        one.begin(TASK, express=True)
        old = one.tasks.next()
        old.succeeded("1")
        one.settle()
        copy = killed(tmp_path, tmp_path / "copy")
    with engine(copy) as again:
        again.begin(TOKEN)
        again.tasks.next()
        with pytest.raises(TaskOver):
            again.executor.answer(old.command.token, '"stolen"').result(SECONDS)


def test_what_cannot_be_written_is_refused_and_the_others_of_its_turn_are_not(tmp_path: Path) -> None:
    bad = NewExecution(MACHINE, json.dumps(PASS), "role", "{}", trace_header="\ud800")
    with engine(tmp_path) as one:
        started = threading.Event()
        one.executor.post(lambda _: started.wait(SECONDS))
        refused = one.executor.start_execution(bad)
        good = one.executor.start_execution(NewExecution(MACHINE, json.dumps(PASS), "role", "{}"))
        started.set()
        with pytest.raises(JournalRefused, match="cannot be written"):
            refused.result(SECONDS)
        assert one.over(good.result(SECONDS).arn).row.status == "SUCCEEDED"


def test_what_fell_due_while_nothing_ran_happens_in_the_order_in_which_it_fell_due(tmp_path: Path) -> None:
    def failing(seconds: int, error: str) -> dict[str, Any]:
        waits = {"Type": "Wait", "Seconds": seconds, "Next": error}
        return {"StartAt": f"W{seconds}", "States": {f"W{seconds}": waits, error: {"Type": "Fail", "Error": error}}}

    race = {"Type": "Parallel", "End": True, "Branches": [failing(20, "Late"), failing(10, "Early")]}
    with engine(tmp_path) as one:
        in_time, raced = one.begin({**WAIT, "TimeoutSeconds": 90}), one.begin(one_state(race))
        copy = killed(tmp_path, tmp_path / "copy")
    with engine(copy, Clock(1_100.0)) as again:
        assert again.over(raced).error == "Early"
        assert again.over(in_time).row.status == "SUCCEEDED"


def test_listeners_hear_of_what_is_committed(tmp_path: Path) -> None:
    heard: list[str] = []
    with engine(tmp_path) as one:
        reader = Reader(tmp_path / "journal.sqlite")

        def observe(row: Any, records: Any) -> None:
            assert reader.records(row.id)[: len(records)] == list(records)
            heard.extend(record.type for record in records)

        one.executor._observers.append(observe)
        one.over(one.begin(PASS))
        reader.close()
    assert heard[0] == "ExecutionStarted"
    assert heard[-1] == "ExecutionSucceeded"


def test_a_listener_that_fails_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def observe(_row: Any, _records: Any) -> None:
        raise RuntimeError("deaf")

    with engine(tmp_path) as one:
        one.executor._observers.append(observe)
        assert one.over(one.begin(PASS)).row.status == "SUCCEEDED"
    assert "deaf" in caplog.text


def test_an_execution_that_breaks_the_interpreter_fails_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    advance = interpreter.advance

    def breaking(execution: Any, stimuli: Any, now: float, effects: Any) -> Any:
        stimuli = list(stimuli)
        if getattr(stimuli[0], "output", "") == '"break"':
            execution.frames.clear()
            raise KeyError("half done")
        return advance(execution, stimuli, now, effects)

    monkeypatch.setattr(interpreter, "advance", breaking)
    with engine(tmp_path) as one:
        bad, good = one.begin(TASK), one.begin(TASK)
        works = {work.execution_arn: work for work in (one.tasks.next(), one.tasks.next())}
        works[bad].succeeded('"break"')
        works[good].succeeded("1")
        over = one.over(bad)
        assert (over.row.status, over.error) == ("FAILED", "States.Runtime")
        assert "KeyError" in (over.cause or "")
        assert one.over(good).row.status == "SUCCEEDED"
    assert "KeyError" in caplog.text


def test_a_full_disk_refuses_new_work_and_loses_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    with engine(tmp_path, clock) as one:
        waiting = one.begin(WAIT)

        def limit(pages: int) -> Any:
            return lambda turn: turn.execute(f"PRAGMA max_page_count={pages}")

        pages = one.on_the_thread(lambda turn: turn.execute("PRAGMA page_count").fetchone()[0])
        one.on_the_thread(limit(pages))
        big = json.dumps("".join(chr(0x4E00 + n * 7919 % 20_000) for n in range(60_000)))
        with pytest.raises(JournalFull, match="disk is full"):
            one.begin(PASS, big)
        one.on_the_thread(limit(1 << 30))
        assert one.over(one.begin(PASS, big)).row.status == "SUCCEEDED"
        one.later(60)
        assert one.over(waiting).row.status == "SUCCEEDED"
    assert "disk is full" in caplog.text


def test_what_could_not_be_written_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with engine(tmp_path) as one:
        arn = one.begin(TASK)
        work = one.tasks.next()
        commit, failures = one.journal.commit, [JournalFull("no room")]

        def failing() -> None:
            if failures:
                raise failures.pop()
            commit()

        monkeypatch.setattr(one.journal, "commit", failing)
        work.succeeded("1")
        # It shares the turn of this, or has one of its own; either way the next can be written.
        with suppress(JournalFull):
            one.settle()
        one.later(1.0)
        assert one.over(arn).output == "1"
    assert "no room" in caplog.text


def test_old_executions_are_forgotten(tmp_path: Path) -> None:
    with engine(tmp_path, retention=Retention(seconds=100.0)) as one:
        arn = one.begin(PASS)
        waiting = one.begin(one_state({"Type": "Wait", "Seconds": 1000, "End": True}))
        one.later(200)
        one.settle()
        assert one.executor.reader.execution(arn) is None
        assert one.executor.reader.execution(waiting) is not None


def test_nothing_is_begun_while_it_stops(tmp_path: Path) -> None:
    with engine(tmp_path) as one:
        executor = one.executor
    with pytest.raises(ExecutorStopped):
        executor.start_execution(NewExecution(MACHINE, json.dumps(PASS), "role", "{}")).result(SECONDS)


def test_cancelled_timers_do_not_pile_up() -> None:
    timers = Timers()
    timer = Timer(TimerKind.TIMEOUT, 0, 1)
    for execution in range(10_000):
        timers.set(execution, timer, 1e9)
        timers.cancel(execution, timer)
    assert len(timers) == 0
    assert len(timers._heap) < 2_000
    timers.set(1, timer, 5.0)
    timers.set(1, timer, 7.0)
    assert list(timers.take_due(6.0, 10)) == []
    assert list(timers.take_due(7.0, 10)) == [(1, timer)]
    assert timers.next_due() is None
