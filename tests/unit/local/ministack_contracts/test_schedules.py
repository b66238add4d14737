"""When schedules and scheduled rules fire, and which of them are refused. Time is a number that the test moves."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from ministack.services import eventbridge, scheduler
from ministack.services.cloudformation import provisioners

from local.ministack import schedules

ROLE = "arn:aws:iam::000000000000:role/r"
TARGET = {"Arn": "arn:aws:sqs:us-east-1:000000000000:q", "RoleArn": ROLE}
OFF = {"Mode": "OFF"}
START = datetime(2026, 3, 28, 12, tzinfo=UTC).timestamp()
HOUR, DAY = 3600.0, 86400.0


class Clock:
    """What fired, by its name and the moment it was fired for; and the time, which goes on when the test says so."""

    def __init__(self) -> None:
        self.now = START
        self.fired: list[tuple[str, str]] = []

    def go(self, seconds: float, step: float = 60.0) -> list[tuple[str, str]]:
        """What fires while the time goes on, looked at every `step` seconds."""
        before, end = len(self.fired), self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + step)
            schedules.fire_schedules(self.now)
            schedules.fire_rules(self.now)
        return self.fired[before:]

    def note(self, _target: Any, _event: Any, of: dict[str, Any], _view: Any = None) -> None:
        moment = datetime.fromtimestamp(of.get(schedules.DUE, self.now), UTC)
        self.fired.append((of["Name"], moment.strftime("%d %H:%M:%S").removesuffix(":00")))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    for module, names in (
        (eventbridge, ("_tick_scheduled_rules", "_validate_schedule_expression", "_SCHEDULER_TICK_INTERVAL")),
        (scheduler, ("_tick_schedules", "_SCHEDULE_TICK_INTERVAL", "_create_schedule", "_update_schedule")),
    ):
        for name in names:
            monkeypatch.setattr(module, name, getattr(module, name))
    monkeypatch.setattr(provisioners, "_RESOURCE_HANDLERS", dict(provisioners._RESOURCE_HANDLERS))
    monkeypatch.setattr(eventbridge, "_invoke_target", clock.note)
    monkeypatch.setattr(eventbridge, "_now_ts", lambda: clock.now)
    monkeypatch.setattr(scheduler, "_now", lambda: clock.now)
    schedules.install()
    eventbridge._ensure_default_bus()
    yield clock
    scheduler.reset()
    eventbridge.reset()
    scheduler._schedule_last_fired.clear()
    eventbridge._rule_last_fired.clear()


def create(expression: str, name: str = "s", **request: Any) -> dict[str, Any]:
    return said(scheduler._create_schedule(name, made(expression, **request)))


def update(expression: str, **request: Any) -> dict[str, Any]:
    return said(scheduler._update_schedule("s", made(expression, **request)))


def made(expression: str, **request: Any) -> dict[str, Any]:
    return {"ScheduleExpression": expression, "FlexibleTimeWindow": OFF, "Target": TARGET, **request}


def said(answer: tuple[int, Any, bytes]) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(answer[2])
    return body


def test_a_cron_runs_by_the_clock_of_its_zone(clock: Clock) -> None:
    create("cron(30 2 * * ? *)", ScheduleExpressionTimezone="Europe/Berlin")
    create("cron(30 2 * * ? *)", "utc")
    # Berlin has no 02:30 on the 29th.
    assert clock.go(2.5 * DAY, step=300) == [("utc", "29 02:30"), ("s", "30 00:30"), ("utc", "30 02:30")]


def test_a_rate_runs_at_once_and_then_from_there(clock: Clock) -> None:
    create("rate(2 hours)")
    assert clock.go(5 * HOUR) == [("s", "28 12:00"), ("s", "28 14:00"), ("s", "28 16:00")]


def test_a_rate_waits_for_its_start_and_ends_with_its_end(clock: Clock) -> None:
    create("rate(1 hour)", StartDate=START + 90 * 60, EndDate=START + 4 * HOUR)
    assert clock.go(DAY, step=300) == [("s", "28 13:30"), ("s", "28 14:30"), ("s", "28 15:30")]


def test_one_time_comes_once_and_again_when_it_is_moved(clock: Clock) -> None:
    create("at(2026-03-28T15:00:00)", ScheduleExpressionTimezone="Europe/Berlin")
    assert clock.go(5 * HOUR) == [("s", "28 14:00")]
    update("at(2026-03-28T15:00:00)", ScheduleExpressionTimezone="Europe/Berlin", Description="as before")
    assert clock.go(HOUR) == []
    update("at(2026-03-28T20:00:00)")
    assert clock.go(5 * HOUR) == [("s", "28 20:00")]


def test_what_is_over_is_deleted_where_that_is_asked_for(clock: Clock) -> None:
    create("at(2026-03-28T13:00:00)", "kept")
    create("at(2026-03-28T13:00:00)", ActionAfterCompletion="DELETE")
    create("rate(1 hour)", "rate", ActionAfterCompletion="DELETE", EndDate=START + 90 * 60)
    clock.go(3 * HOUR)
    assert [name for _, _, name in scheduler._schedules._data] == ["default/kept"]
    assert sorted(clock.fired) == [
        ("kept", "28 13:00"),
        ("rate", "28 12:00"),
        ("rate", "28 13:00"),
        ("s", "28 13:00"),
    ]


def test_what_fell_due_while_nobody_looked_comes_once(clock: Clock) -> None:
    create("rate(5 minutes)")
    create("cron(0 * * * ? *)", "cron")
    clock.go(60)
    assert sorted(clock.go(DAY, step=DAY)) == [("cron", "28 13:00"), ("s", "28 12:05")]
    assert clock.go(10 * 60) == [("s", "29 12:05"), ("s", "29 12:10")]


def test_a_disabled_schedule_does_not_catch_up(clock: Clock) -> None:
    create("cron(0 * * * ? *)", State="DISABLED")
    assert clock.go(5 * HOUR) == []
    update("cron(0 * * * ? *)")
    assert clock.go(HOUR) == [("s", "28 18:00")]


def test_a_flexible_window_is_used_and_not_left(clock: Clock) -> None:
    window = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 30}
    clock.go(60)
    for number in range(20):
        create("cron(0 * * * ? *)", f"s{number}", FlexibleTimeWindow=window)
    assert clock.go(58 * 60) == []
    seconds: list[int] = []
    for minute in range(31):
        seconds += [minute] * len(clock.go(60))
    # For one moment each, all within half an hour, and not all at once.
    assert (len(seconds), len(set(seconds)) > 5) == (20, True)
    assert {moment for _, moment in clock.fired} == {"28 13:00"}


def test_a_rules_rate_counts_from_when_it_was_made(clock: Clock) -> None:
    rule("rate(10 minutes)")
    assert clock.go(25 * 60) == [("r", "28 12:10"), ("r", "28 12:20")]
    eventbridge._disable_rule({"Name": "r"})
    assert clock.go(HOUR) == []
    eventbridge._enable_rule({"Name": "r"})
    assert clock.go(10 * 60) == [("r", "28 13:30")]


def test_a_rules_cron_is_in_utc(clock: Clock) -> None:
    rule("cron(30 2 ? * SUN-MON *)")
    assert clock.go(3 * DAY, step=300) == [("r", "29 02:30"), ("r", "30 02:30")]


def rule(expression: str) -> tuple[int, dict[str, Any]]:
    status, _, body = eventbridge._put_rule({"Name": "r", "ScheduleExpression": expression})
    if status == 200:
        eventbridge._put_targets({"Rule": "r", "Targets": [{"Id": "1", "Arn": TARGET["Arn"]}]})
    return status, json.loads(body)


@pytest.mark.parametrize(
    "expression",
    ["nonsense", "rate(1 hours)", "rate(0 minutes)", "cron(0 24 * * ? *)", "cron(0 2 * * *)", "cron(* * * * * *)"],
)
def test_an_expression_that_is_none_is_refused_everywhere(clock: Clock, expression: str) -> None:
    assert create(expression)["Message"].startswith(f"Invalid Schedule Expression {expression}.")
    create("rate(1 hour)")
    assert "Invalid Schedule Expression" in update(expression)["Message"]
    status, answer = rule(expression)
    assert (status, answer["message"]) == (400, "Parameter ScheduleExpression is not valid.")
    for kind, properties, why in (
        ("AWS::Scheduler::Schedule", made(expression), "Invalid Schedule Expression"),
        ("AWS::Events::Rule", {"ScheduleExpression": expression}, "ScheduleExpression is not valid"),
    ):
        with pytest.raises(ValueError, match=why):
            provisioners._RESOURCE_HANDLERS[kind]["create"]("R", properties, "stack")
    assert clock.fired == []


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        ({"ScheduleExpressionTimezone": "Europe/Atlantis"}, "no time zone 'Europe/Atlantis'"),
        ({"StartDate": START + 10, "EndDate": START}, "EndDate you specify must come after"),
        ({"StartDate": "yesterday"}, "StartDate and EndDate are dates"),
        ({"FlexibleTimeWindow": {"Mode": "FLEXIBLE"}}, "from 1 to 1440"),
        ({"FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 1441}}, "from 1 to 1440"),
        ({"FlexibleTimeWindow": {"Mode": "OFF", "MaximumWindowInMinutes": 5}}, "mode is OFF"),
        ({"FlexibleTimeWindow": {"Mode": "SOMETIMES"}}, "OFF or FLEXIBLE"),
    ],
)
def test_times_that_make_no_sense_are_refused(clock: Clock, request_: dict[str, Any], why: str) -> None:
    assert clock.fired == []
    assert why in create("cron(0 2 * * ? *)", **request_)["Message"]


def test_a_rule_takes_no_single_time(clock: Clock) -> None:
    assert clock.fired == []
    assert rule("at(2026-03-28T15:00:00)")[0] == 400


def test_a_stacks_schedule_keeps_all_that_it_says(clock: Clock) -> None:
    handler = provisioners._RESOURCE_HANDLERS["AWS::Scheduler::Schedule"]
    properties = made(
        "cron(0 14 * * ? *)",
        ScheduleExpressionTimezone="Europe/Berlin",
        StartDate="2026-03-29T00:00:00Z",
        EndDate="2026-03-30T23:00:00Z",
    )
    name, _ = handler["create"]("Nightly", properties, "stack")
    assert clock.go(4 * DAY, step=300) == [(name, "29 12:00"), (name, "30 12:00")]
    changed = {**properties, "ScheduleExpressionTimezone": "Asia/Tokyo", "EndDate": "2026-04-02T23:00:00Z"}
    assert handler["update"](name, properties, changed, "stack")[0] == name
    assert clock.go(DAY, step=300) == [(name, "02 05:00")]
