"""Schedule expressions, and when they fall due on the clock of a time zone."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.schedules import expressions
from local.schedules.cron import Cron
from local.schedules.expressions import ExpressionInvalid, Repeated

BERLIN = "Europe/Berlin"


def moments(text: str, start: str, count: int, zone: str = "UTC") -> list[str]:
    """The next moments at which an expression falls due, on the zone's clock."""
    place, expression = expressions.zone(zone), expressions.parse(text)
    moment = anchor = datetime.fromisoformat(start).timestamp()
    said: list[str] = []
    for _ in range(count):
        following = expression.after(moment, anchor, place)
        if following is None:
            break
        moment = following
        said.append(datetime.fromtimestamp(moment, place).strftime("%Y-%m-%dT%H:%M%z"))
    return said


@pytest.mark.parametrize(
    "text",
    [
        "rate(1 minute)",
        "rate(5 minutes)",
        "rate(1 day)",
        "cron(0 12 * * ? *)",
        "cron(*/10 * * * ? *)",
        "cron(0-15/1 8-8 ? * 2,3,4,5,6,7 *)",
        "cron(1-31/30 1-1 ? * 1,7 *)",
        "cron(0 18 ? * mon-fri 2026-2030)",
        "cron(0 9 L-3 JAN,JUL ? *)",
        "cron(0 9 15W,LW * ? *)",
        "cron(0 9 ? * 6#3,1L *)",
        "at(2026-11-20T13:00:00)",
    ],
)
def test_what_aws_documents_is_taken(text: str) -> None:
    assert expressions.parse(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nonsense", "is expected"),
        ("", "is expected"),
        ("rate(1 hours)", "one is of a minute"),
        ("rate(5 minute)", "more are of minutes"),
        ("rate(0 minutes)", "is expected"),
        ("rate(-1 minutes)", "is expected"),
        ("rate(1 week)", "is expected"),
        ("rate(1.5 hours)", "is expected"),
        ("cron(0 24 * * ? *)", "hours: '24' is not a value from 0 to 23"),
        ("cron(60 0 * * ? *)", "minutes: '60'"),
        ("cron(*/60 * * * ? *)", "step"),
        ("cron(0/0 * * * ? *)", "step"),
        ("cron(0 0 32 * ? *)", "day of month"),
        ("cron(0 0 0W * ? *)", "day of month"),
        ("cron(0 0 L-40 * ? *)", "day of month"),
        ("cron(0 0 ? 13 MON *)", "month"),
        ("cron(0 0 ? * 8 *)", "day of week"),
        ("cron(0 0 ? * 0 *)", "day of week"),
        ("cron(0 0 ? * 3#6 *)", "from 1 to 5"),
        ("cron(0 0 ? * MOO *)", "day of week"),
        ("cron(0 0 * * ? 1969)", "year"),
        ("cron(0 0 * * ? 2030-2026)", "ends before it begins"),
        ("cron(0 0 * * ?)", "not 5"),
        ("cron(0 0 0 * * ? *)", "not 7"),
        ("cron(0 0 * * * *)", "has to be ?"),
        ("cron(0 0 ? * ? *)", "has to be ?"),
        ("cron(? 0 * * ? *)", "minutes"),
        ("cron(0, 9 ? * MON *)", "minutes"),
        ("at(2026-02-30T00:00:00)", "day"),
        ("at(2026-11-20 13:00:00)", "is expected"),
        ("at(2026-11-20T13:00:00Z)", "is expected"),
        ("cron(" + "0," * 200 + "0 0 * * ? *)", "characters"),
    ],
)
def test_what_is_no_expression_says_why(text: str, why: str) -> None:
    with pytest.raises(ExpressionInvalid, match=why.replace("?", r"\?")):
        expressions.parse(text)


def test_a_zone_that_is_none_is_refused() -> None:
    for name in ("Europe/Atlantis", "../etc/passwd", "", "a" * 500):
        with pytest.raises(ExpressionInvalid, match="no time zone"):
            expressions.zone(name)


def test_a_time_that_spring_leaves_out_is_skipped() -> None:
    assert moments("cron(30 2 * * ? *)", "2026-03-28T00:00+00:00", 3, BERLIN) == [
        "2026-03-28T02:30+0100",
        "2026-03-30T02:30+0200",
        "2026-03-31T02:30+0200",
    ]


def test_a_time_that_autumn_repeats_happens_once() -> None:
    assert moments("cron(30 2 * * ? *)", "2026-10-24T12:00+00:00", 2, BERLIN) == [
        "2026-10-25T02:30+0200",
        "2026-10-26T02:30+0100",
    ]
    # Asked within the second of the two hours, too.
    assert moments("cron(0/30 * * * ? *)", "2026-10-25T01:10+00:00", 2, BERLIN) == [
        "2026-10-25T03:00+0100",
        "2026-10-25T03:30+0100",
    ]


def test_a_day_that_a_zone_skipped_is_skipped() -> None:
    # Samoa went from 29 December 2011 to the 31st.
    assert moments("cron(0 0/6 * * ? *)", "2011-12-30T05:00+00:00", 3, "Pacific/Apia") == [
        "2011-12-31T00:00+1400",
        "2011-12-31T06:00+1400",
        "2011-12-31T12:00+1400",
    ]


def test_a_day_of_a_rate_has_24_hours() -> None:
    assert moments("rate(1 day)", "2026-03-28T12:00+00:00", 2, BERLIN) == [
        "2026-03-29T14:00+0200",
        "2026-03-30T14:00+0200",
    ]


def test_a_rate_begins_with_its_anchor() -> None:
    rate = expressions.parse("rate(10 minutes)")
    assert [rate.after(moment, 1000.0, expressions.zone("UTC")) for moment in (0, 999, 1000, 1599, 1600, 99_999)] == [
        1000.0,
        1000.0,
        1600.0,
        1600.0,
        2200.0,
        100_000.0,
    ]


@pytest.mark.parametrize(
    ("fields", "days"),
    [
        ("0 0 L * ? 2026", ["2026-01-31", "2026-02-28", "2026-03-31"]),
        ("0 0 LW * ? 2026", ["2026-01-30", "2026-02-27", "2026-03-31"]),
        ("0 0 L-1 * ? 2026", ["2026-01-30", "2026-02-27", "2026-03-30"]),
        # 1 August 2026 is a Saturday, 1 November a Sunday, 31 May a Sunday.
        ("0 0 1W 8,11 ? 2026", ["2026-08-03", "2026-11-02"]),
        ("0 0 31W 5 ? 2026", ["2026-05-29"]),
        ("0 0 31W 6 ? 2026", []),
        ("0 0 ? * 6#3 2026", ["2026-01-16", "2026-02-20", "2026-03-20"]),
        ("0 0 ? * 2#5 2026", ["2026-03-30", "2026-06-29", "2026-08-31"]),
        ("0 0 ? * 5L 2026", ["2026-01-29", "2026-02-26", "2026-03-26"]),
        ("0 0 ? 1 L 2026", ["2026-01-03", "2026-01-10", "2026-01-17"]),
        ("0 0 ? 1 FRI-MON 2026", ["2026-01-02", "2026-01-03", "2026-01-04"]),
        ("0 0 29 2 ? *", ["2028-02-29", "2032-02-29", "2036-02-29"]),
        ("0 0 30 2 ? *", []),
    ],
)
def test_days_as_quartz_counts_them(fields: str, days: list[str]) -> None:
    assert [said[:10] for said in moments(f"cron({fields})", "2025-12-31T23:00+00:00", 3)] == days


def test_hours_may_go_around_midnight() -> None:
    assert [said[11:16] for said in moments("cron(0 22-1 * * ? *)", "2026-01-01T12:00+00:00", 4)] == [
        "22:00",
        "23:00",
        "00:00",
        "01:00",
    ]


@st.composite
def crons(draw: st.DrawFn) -> str:
    """Expressions that come up often, so that a clock of a few days sees them."""
    minute = draw(st.sampled_from(["0", "30", "0/15", "5,50", "*/20", "10-12"]))
    hour = draw(st.sampled_from(["*", "1-3", "2", "0/6", "22-2", "1,2,3"]))
    days, weekdays = draw(st.sampled_from([("*", "?"), ("?", "SUN,MON"), ("?", "*"), ("20-31", "?"), ("?", "1#1,7L")]))
    return f"cron({minute} {hour} {days} * {weekdays} *)"


CHANGES = [
    (BERLIN, datetime(2026, 3, 28, 20, tzinfo=UTC)),
    (BERLIN, datetime(2026, 10, 24, 20, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, 1, tzinfo=UTC)),
    # Half an hour, and south of the equator.
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 10, tzinfo=UTC)),
    ("Asia/Kathmandu", datetime(2026, 6, 30, 10, tzinfo=UTC)),
]


@given(text=crons(), change=st.sampled_from(CHANGES), late=st.integers(0, 600))
def test_it_agrees_with_a_clock_that_is_looked_at_every_minute(
    text: str, change: tuple[str, datetime], late: int
) -> None:
    name, start = change
    place, expression = ZoneInfo(name), expressions.parse(text)
    assert isinstance(expression, Repeated)
    start += timedelta(minutes=late)
    shown: set[datetime] = set()
    expected: list[float] = []
    # What the clock has shown already it shows for the second time: a day is looked at before.
    for minute in range(-1440, 1440):
        instant = start + timedelta(minutes=minute)
        local = instant.astimezone(place).replace(tzinfo=None, fold=0)
        if local not in shown and _is_named(expression.cron, local) and minute > 0:
            expected.append(instant.timestamp())
        shown.add(local)
    moment, said = start.timestamp(), []
    while (moment := expression.after(moment, 0.0, place) or 0.0) and moment < expected[-1] + 60 if expected else False:
        said.append(moment)
    assert said == expected


def _is_named(cron: Cron, local: datetime) -> bool:
    return (
        local.minute in cron.minutes
        and local.hour in cron.hours
        and local.month in cron.months
        and local.day in cron.days_of(local.year, local.month)
    )
