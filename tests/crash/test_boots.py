"""A kill at any step of a first boot, an update or a stop leaves a directory that the next start brings up."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Half of a start is waiting for CloudFormation.
TOGETHER = 3
SECONDS = 240

FIRST = ["Bucket", "LogGroup", "Machine", "Parameter", "Queue", "Role", "Subscription", "Table", "Topic"]
SECOND = sorted(({*FIRST} | {"Another"}) - {"LogGroup"})

pytestmark = [pytest.mark.cloud, pytest.mark.xdist_group("boots")]


@pytest.fixture(scope="module")
def starts(tmp_path_factory: pytest.TempPathFactory) -> list[Mapping[str, Any]]:
    """What was there after a start from each copy."""
    folder = tmp_path_factory.mktemp("boots")
    begun(["record", str(folder)]).communicate(timeout=SECONDS)
    copies = sorted(str(path.parent) for path in folder.glob("*/state"))
    processes = [begun(["start", *copies[first::TOGETHER]]) for first in range(TOGETHER)]
    said = [process.communicate(timeout=SECONDS)[0] for process in processes]
    results = [json.loads(line) for text in said for line in text.splitlines()]
    assert {result["folder"] for result in results} == {Path(copy).name for copy in copies}
    return results


def begun(words: list[str]) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.crash.boots", *words]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def of(phase: str, starts: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [{**start, "folder": None} for start in starts if f"-{phase}-" in start["folder"]]


def test_a_first_boot_that_was_killed_is_brought_up_by_the_next(starts: list[Mapping[str, Any]]) -> None:
    boots = of("boot", starts)
    assert len(boots) >= len(FIRST) + 2
    whole = {
        "folder": None,
        "resources": FIRST,
        "items": 0,
        "objects": 0,
        "messages": 0,
        "subscriptions": 1,
        "parameter": "kept-table",
        "machines": 1,
    }
    assert boots == [whole] * len(boots)


@pytest.mark.parametrize(("phase", "points"), [("update", 11), ("stop", 5)])
def test_an_update_or_a_stop_that_was_killed_loses_nothing(
    starts: list[Mapping[str, Any]], phase: str, points: int
) -> None:
    after = of(phase, starts)
    assert len(after) >= points
    whole = {
        "folder": None,
        "resources": SECOND,
        "items": 1,
        "objects": 1,
        "messages": 1,
        "subscriptions": 1,
        "parameter": "second",
        "machines": 1,
    }
    assert after == [whole] * len(after)
