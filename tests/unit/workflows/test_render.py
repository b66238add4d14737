"""The committed ASL: what it has to hold, and how a difference shows."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines import durations
from workflows.render import check, render, write

ROOT = Path(__file__).parents[3]
MACHINES = {name: json.loads(text) for name, text in render().items()}


def states(machine: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, state in machine["States"].items():
        yield name, state
        yield from states(state["Iterator"]) if "Iterator" in state else iter(())


def every_state() -> list[tuple[str, str, dict[str, Any]]]:
    return [(machine, name, state) for machine, data in MACHINES.items() for name, state in states(data)]


def test_every_state_says_what_it_is_for() -> None:
    assert [f"{machine}.{name}" for machine, name, state in every_state() if not state.get("Comment")] == []


def test_every_task_has_a_time_limit_a_retry_and_a_catch() -> None:
    tasks = [(machine, name, state) for machine, name, state in every_state() if state["Type"] == "Task"]
    needed = ({"TimeoutSeconds", "TimeoutSecondsPath"}, {"Retry"}, {"Catch"})
    assert [
        f"{machine}.{name}.{keys}" for machine, name, state in tasks for keys in needed if not keys & {*state}
    ] == []


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_the_machine_outlives_its_waits(name: str) -> None:
    waits = sum(
        state.get("TimeoutSeconds", durations.MOST)
        for _, state in states(MACHINES[name])
        if "waitForTaskToken" in state.get("Resource", "")
    )
    assert MACHINES[name]["TimeoutSeconds"] > waits


def test_waiting_is_by_task_token_and_never_by_polling() -> None:
    assert [name for _, name, state in every_state() if state["Type"] == "Wait"] == []
    tokens = {name for _, name, state in every_state() if "waitForTaskToken" in state.get("Resource", "")}
    assert tokens == {"StartPipeline", "AwaitEndpoint", "StartInference", "StartCandidate", "Apply", "Restore"}


def test_no_partition_account_or_region_is_written_down() -> None:
    for text in render().values():
        assert "arn:aws" not in text
        assert "us-east-1" not in text
        assert "000000000000" not in text


def test_every_state_can_be_reached() -> None:
    for machine in MACHINES.values():
        targets = {machine["StartAt"]}
        for state in machine["States"].values():
            targets |= {state[key] for key in ("Next", "Default") if key in state}
            targets |= {branch["Next"] for key in ("Choices", "Catch") for branch in state.get(key, [])}
        assert targets == set(machine["States"])


def test_a_timeout_is_an_answer_and_is_not_tried_again() -> None:
    for _, name, state in every_state():
        errors = [error for retry in state.get("Retry", []) for error in retry["ErrorEquals"]]
        assert not {"States.Timeout", "States.ALL"} & set(errors), name


def test_written_files_agree_until_somebody_edits_one(tmp_path: Path) -> None:
    assert {place.name for place in write(tmp_path)} == {f"{name}.asl.json" for name in MACHINES}
    assert check(tmp_path) == ()
    assert write(tmp_path) == ()
    edited = tmp_path / "training.asl.json"
    edited.write_text(edited.read_text().replace("36000", "60"))
    (tmp_path / "retraining.asl.json").unlink()
    assert [line.split(",")[1].strip() for line in check(tmp_path)] == ["found no file", "found another text"]


@pytest.mark.parametrize("seed", ["0", "1"])
def test_another_process_writes_the_same_bytes(tmp_path: Path, seed: str) -> None:
    program = "import sys, pathlib; from workflows.render import write; write(pathlib.Path(sys.argv[1]))"
    subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(tmp_path)],
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": seed},
    )
    assert check(tmp_path) == ()


def test_importing_the_sdk_leaves_the_process_as_it_was(tmp_path: Path) -> None:
    program = """
import logging, os, sys
before = (sys.excepthook, list(logging.getLogger().handlers), logging.getLogger().level, dict(os.environ))
import workflows.render
after = (sys.excepthook, list(logging.getLogger().handlers), logging.getLogger().level, dict(os.environ))
sys.exit(before != after)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert logging.getLogger("sagemaker.config").disabled is False
