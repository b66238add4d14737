#!/usr/bin/env bash
# croniter 7.0.0 on a time zone's clock: a daily 02:30 in Europe/Berlin runs twice on the day on which the hour from two to three comes twice, an
# hour apart, and at 03:00 on the day that leaves the hour out. Schedules that mean the same by AWS's documentation (EventBridge Scheduler, "Daylight
# savings time": not repeated in autumn, skipped in spring) run once and not at all, so a program that plans by croniter what Scheduler runs is wrong twice a year.
# Seen on 2026-12-01, CPython 3.11.7: 2 runs on 2026-10-25, one at 03:00 on 2026-03-29.
# Exits 0 while it is so, 1 once it is not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/python -m pip install --quiet --disable-pip-version-check croniter==7.0.0 tzdata
env/bin/python - <<'PYTHON'
from datetime import datetime
from zoneinfo import ZoneInfo

from croniter import croniter

BERLIN = ZoneInfo("Europe/Berlin")


def runs(month: int, day: int) -> list[str]:
    """The runs of a daily 02:30 on one day."""
    schedule = croniter("30 2 * * *", datetime(2026, month, day - 1, 12, tzinfo=BERLIN))
    moments = [schedule.get_next(datetime) for _ in range(4)]
    return [moment.strftime("%H:%M%z") for moment in moments if (moment.month, moment.day) == (month, day)]


spring, autumn = runs(3, 29), runs(10, 25)
print(f"croniter 7.0.0, daily 02:30 in Europe/Berlin: {spring} on 2026-03-29, {autumn} on 2026-10-25")
raise SystemExit(0 if spring == ["03:00+0200"] and autumn == ["02:30+0200", "02:30+0100"] else 1)
PYTHON
