"""Points in time as the tables and the API write them: ISO 8601 in UTC with milliseconds and a `Z`."""

from datetime import UTC, datetime


def iso(moment: datetime) -> str:
    """E.g. `2026-11-20T06:00:00.000Z`; sorts as text in order of time."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse(text: str) -> datetime:
    return datetime.fromisoformat(text)


def of_milliseconds(milliseconds: int) -> str:
    """Returns a point in time that CloudWatch Logs tells, as `iso` writes it."""
    return iso(datetime.fromtimestamp(milliseconds / 1000, UTC))


def epoch(moment: datetime, plus_seconds: int = 0) -> int:
    """Seconds since 1970, for a TTL attribute."""
    return int(moment.timestamp()) + plus_seconds
