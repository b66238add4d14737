"""A cron expression of EventBridge: six fields, and which minutes of the calendar they name.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html and
https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html tell the fields, their wildcards and that one
of the two fields of days is a question mark. `?`, `L`, `W`, `LW` and `#` are Quartz's.
"""

import calendar
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time

FIRST_YEAR, LAST_YEAR = 1970, 2199

_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_WEEKDAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}
_STEPPED = re.compile(r"(?P<range>[^/]+)/(?P<step>\d{1,4})")
_NEAREST = re.compile(r"(\d{1,2})W")
_BEFORE_LAST = re.compile(r"L-(\d{1,2})")


class CronInvalid(ValueError):
    """The message names the field and what it takes."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    first: int
    last: int
    names: Mapping[str, int]

    def values(self, text: str) -> frozenset[int]:
        """Returns the numbers that a list of values, ranges and steps names."""
        return frozenset(number for part in text.split(",") for number in self._part(part))

    def number(self, text: str) -> int:
        if (named := self.names.get(text.upper())) is not None:
            return named
        if not (text.isascii() and text.isdigit() and len(text) <= 4 and self.first <= int(text) <= self.last):
            raise CronInvalid(f"{self.name}: {text!r} is not a value from {self.first} to {self.last}")
        return int(text)

    def _part(self, text: str) -> range | list[int]:
        stepped = _STEPPED.fullmatch(text)
        step = int(stepped["step"]) if stepped else 1
        if not 1 <= step <= self.last:
            raise CronInvalid(f"{self.name}: the step of {text!r} is not from 1 to {self.last}")
        first, last = self._bounds(stepped["range"] if stepped else text, open_ended=stepped is not None)
        if first <= last:
            return range(first, last + 1, step)
        # From Friday to Monday, from 22 to 2 o'clock: around the end.
        around = [*range(first, self.last + 1), *range(self.first, last + 1)]
        return around[::step]

    def _bounds(self, text: str, *, open_ended: bool) -> tuple[int, int]:
        if text == "*":
            return self.first, self.last
        first, dash, last = text.partition("-")
        if not dash:
            return self.number(first), self.last if open_ended else self.number(first)
        start, end = self.number(first), self.number(last)
        if start > end and self.first > 1:
            raise CronInvalid(f"{self.name}: the range {text!r} ends before it begins")
        return start, end


_MINUTES, _HOURS = _Field("minutes", 0, 59, {}), _Field("hours", 0, 23, {})
_DAYS, _MONTH = _Field("day of month", 1, 31, {}), _Field("month", 1, 12, _MONTHS)
_WEEKDAY, _YEAR = _Field("day of week", 1, 7, _WEEKDAYS), _Field("year", FIRST_YEAR, LAST_YEAR, {})


@dataclass(frozen=True, slots=True)
class Cron:
    """The fields of one expression, days as they were written."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: str
    months: tuple[int, ...]
    weekdays: str
    years: tuple[int, ...]

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Yields the minutes named that lie after a moment, in order; neither it nor they have a time zone."""
        today = moment.date()
        for day in self._days_from(today):
            for hour in self.hours:
                for minute in self.minutes:
                    at = datetime.combine(day, time(hour, minute))
                    if at > moment:
                        yield at

    def _days_from(self, first: date) -> Iterator[date]:
        for year in (year for year in self.years if year >= first.year):
            for month in self.months:
                if (year, month) >= (first.year, first.month):
                    for number in sorted(self.days_of(year, month)):
                        if (day := date(year, month, number)) >= first:
                            yield day

    def days_of(self, year: int, month: int) -> set[int]:
        """Returns the days of a month, 1 to 31, that the two fields of days name."""
        length = calendar.monthrange(year, month)[1]
        if self.weekdays == "?":
            wanted = {day for part in self.days.split(",") for day in _of_month(part, year, month)}
        else:
            wanted = {day for part in self.weekdays.split(",") for day in _of_weekday(part, year, month)}
        return {day for day in wanted if 1 <= day <= length}


def parse(text: str) -> Cron:
    """Reads the six fields, without `cron(` and `)`.

    Raises:
        CronInvalid: which field, and why.
    """
    fields = text.split()
    if len(fields) != 6:
        raise CronInvalid(
            f"6 fields (minutes hours day-of-month month day-of-week year) are expected, not {len(fields)}"
        )
    minutes, hours, days, months, weekdays, years = fields
    if (days == "?") == (weekdays == "?"):
        raise CronInvalid("one of day of month and day of week has to be ?, and only one")
    cron = Cron(
        minutes=tuple(sorted(_MINUTES.values(minutes))),
        hours=tuple(sorted(_HOURS.values(hours))),
        days=days.upper(),
        months=tuple(sorted(_MONTH.values(months))),
        weekdays=weekdays.upper(),
        years=tuple(sorted(_YEAR.values(years))),
    )
    # A leap year's months: whatever is wrong with a field of days is wrong in any of them.
    cron.days_of(2024, 2)
    return cron


def _of_month(part: str, year: int, month: int) -> set[int]:
    length = calendar.monthrange(year, month)[1]
    if part == "L":
        return {length}
    if part == "LW":
        return {_nearest_weekday(length, year, month)}
    if before := _BEFORE_LAST.fullmatch(part):
        return {length - _DAYS.number(before[1])}
    if nearest := _NEAREST.fullmatch(part):
        day = _DAYS.number(nearest[1])
        return {_nearest_weekday(day, year, month)} if day <= length else set()
    return set(_DAYS.values(part))


def _nearest_weekday(day: int, year: int, month: int) -> int:
    """Returns the weekday of this month next to a day: never one of the month before or after."""
    length = calendar.monthrange(year, month)[1]
    match calendar.weekday(year, month, day):
        case calendar.SATURDAY:
            return day - 1 if day > 1 else day + 2
        case calendar.SUNDAY:
            return day + 1 if day < length else day - 2
        case _:
            return day


def _of_weekday(part: str, year: int, month: int) -> set[int]:
    first, length = calendar.monthrange(year, month)
    name, sharp, place = part.partition("#")
    if sharp:
        if place not in {"1", "2", "3", "4", "5"}:
            raise CronInvalid(f"day of week: in {part!r} a number from 1 to 5 is expected behind #")
        return {_first(_WEEKDAY.number(name), first) + 7 * (int(place) - 1)}
    if part == "L":
        part = "7"
    elif part.endswith("L"):
        day = _first(_WEEKDAY.number(part[:-1]), first)
        return {max(range(day, length + 1, 7))}
    return {day for number in _WEEKDAY.values(part) for day in range(_first(number, first), length + 1, 7)}


def _first(weekday: int, first_of_month: int) -> int:
    """Returns the first day of a month that is a weekday (1 = Sunday), given the weekday (0 = Monday) of its 1st."""
    return (weekday - 2 - first_of_month) % 7 + 1
