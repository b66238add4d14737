"""How long a cached step stays good: ISO 8601 durations, and the shorter forms of AWS's own examples. Pure."""

import re

_DAY = 86_400
_DATE = {"y": 365 * _DAY, "m": 30 * _DAY, "w": 7 * _DAY, "d": _DAY}
_TIME = {"h": 3600, "m": 60, "s": 1}
_WHOLE = re.compile(r"p?((?:\d+[ymwd])*)(?:t((?:\d+[hms])+))?", re.IGNORECASE)
_PART = re.compile(r"(\d+)([a-z])", re.IGNORECASE)


def seconds(text: str) -> int:
    """Reads `P30D`, `PT1H`, `T16m`, `30dT5h` and the like; a year is 365 days, a month 30. Raises ValueError.

    Source: "Turn on step caching" in the developer guide.
    """
    match = _WHOLE.fullmatch(text.strip())
    if match is None or not (match[1] or match[2]):
        raise ValueError(f"{text!r} is no ISO 8601 duration")
    date = sum(int(count) * _DATE[unit.lower()] for count, unit in _PART.findall(match[1]))
    time = sum(int(count) * _TIME[unit.lower()] for count, unit in _PART.findall(match[2] or ""))
    return date + time
