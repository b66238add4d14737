"""Points in time: RFC 3339 in the language, seconds since 1970 inside."""

import re
from datetime import UTC, datetime, timedelta, timezone

_LAST = 253_402_300_799.0
"""The end of the year 9999."""
_FORM = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:(Z)|([+-])(\d\d):(\d\d))", re.ASCII)


def parse(text: object) -> float | None:
    """Returns None where it is not an ISO 8601 extended offset date-time."""
    match = _FORM.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    offset = timedelta()
    if match[8] is None:
        offset = timedelta(hours=int(match[10]), minutes=int(match[11]))
        offset = -offset if match[9] == "-" else offset
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=timezone(offset))
    except ValueError:
        return None
    fraction = float(f"0.{match[7]}") if match[7] else 0.0
    try:
        return moment.timestamp() + fraction
    except OverflowError:
        return None


def write(moment: float) -> str:
    """Writes milliseconds, too, as in the context object."""
    moment = min(moment, _LAST)
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(moment * 1000) % 1000:03d}Z"
