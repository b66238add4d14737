"""Schedule expressions: `cron(...)`, `rate(...)` and `at(...)`, each with the moments at which it falls due.

Moments are POSIX seconds. Cron and `at` are read in a time zone: what falls into the hour that is left out in spring
is skipped, and what falls into the hour that comes twice in autumn happens the first time only. A day of a rate has 24
hours whatever the clocks do (https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html).
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from local.schedules import cron
from local.schedules.cron import Cron, CronInvalid

_SECONDS = {"minute": 60, "hour": 3600, "day": 86400}
_RATE = re.compile(r"rate\((?P<value>[1-9]\d{0,8}) (?P<unit>minute|hour|day)(?P<plural>s?)\)")
_CRON = re.compile(r"cron\((?P<fields>[^()]*)\)")
_AT = re.compile(r"at\((?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?)\)")
_LONGEST = 256
"""Characters of an expression, by the API's model."""
_SKIPPED = 4000
"""Minutes in a row that may be missing from a zone's clock: a whole day and more, as Samoa skipped one."""


class ExpressionInvalid(ValueError):
    """The message says what was expected."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Every so many seconds, counted from `anchor`: the schedule's start, or when it was made."""

    seconds: int

    def after(self, moment: float, anchor: float, _zone: ZoneInfo) -> float | None:
        """Returns the first moment it falls due after another; `anchor` itself is one."""
        if moment < anchor:
            return anchor
        return anchor + ((moment - anchor) // self.seconds + 1) * self.seconds


@dataclass(frozen=True, slots=True)
class Once:
    """At one time of the zone's clock."""

    local: datetime

    def after(self, moment: float, _anchor: float, zone: ZoneInfo) -> float | None:
        """Returns the moment, if it lies after another."""
        due = self.local.replace(tzinfo=zone).timestamp()
        return due if due > moment else None


@dataclass(frozen=True, slots=True)
class Repeated:
    """At the minutes that a cron expression names on the zone's clock."""

    cron: Cron

    def after(self, moment: float, _anchor: float, zone: ZoneInfo) -> float | None:
        """Returns the first moment it falls due after another; None when the years have run out."""
        # In the hour that comes twice the clock has been where it is already: an hour and more back, it has not.
        since = datetime.fromtimestamp(moment, zone).replace(tzinfo=None, fold=0)
        moments = (_instant(local, zone) for local in islice(self.cron.after(since), _SKIPPED))
        return next((due for due in moments if due is not None and due > moment), None)


Expression = Rate | Once | Repeated


@lru_cache(maxsize=1024)
def parse(text: str) -> Expression:
    """Reads an expression.

    Raises:
        ExpressionInvalid: why it is none.
    """
    if len(text) > _LONGEST:
        raise ExpressionInvalid(f"it has {len(text)} characters; {_LONGEST} are allowed")
    if rate := _RATE.fullmatch(text):
        if (int(rate["value"]) == 1) is bool(rate["plural"]):
            raise ExpressionInvalid("one is of a minute, hour or day, more are of minutes, hours or days")
        return Rate(int(rate["value"]) * _SECONDS[rate["unit"]])
    if fields := _CRON.fullmatch(text):
        try:
            return Repeated(cron.parse(fields["fields"]))
        except CronInvalid as error:
            raise ExpressionInvalid(str(error)) from error
    if at := _AT.fullmatch(text):
        try:
            return Once(datetime.fromisoformat(at["time"]))
        except ValueError as error:
            raise ExpressionInvalid(str(error)) from error
    raise ExpressionInvalid(
        "cron(minutes hours day-of-month month day-of-week year), rate(value unit) or at(time) is expected"
    )


def zone(name: str) -> ZoneInfo:
    """Returns a time zone by its name in the IANA database.

    Raises:
        ExpressionInvalid: there is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ExpressionInvalid(f"there is no time zone {name[:100]!r}") from error


def _instant(local: datetime, zone: ZoneInfo) -> float | None:
    """Returns the moment at which the zone's clock first shows a time; None if it never does."""
    at = local.replace(tzinfo=zone).astimezone(UTC)
    return at.timestamp() if at.astimezone(zone).replace(tzinfo=None, fold=0) == local else None
