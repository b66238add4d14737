"""The forecasting algorithm: what its processing stages make of series, without the framework they do not need."""

import ast
import json
from typing import Any, cast

import pytest

from tests.unit.algorithms.containers import Container
from tests.unit.algorithms.environments import ALGORITHMS

FOLDER = ALGORITHMS / "gluonts"
SOURCE = FOLDER / "source"


def run(container: Container, script: str, *arguments: str) -> tuple[int, str]:
    finished = container.run("python", str(SOURCE / script), *arguments)
    return finished.code, finished.last_error


def lines(container: Container, place: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in container.text(place).splitlines()]


def test_processing_holds_the_points_to_forecast_back(script: Container) -> None:
    sample = (FOLDER / "samples" / "sea_surface.jsonl").read_text()
    script.put("processing/input/data/sea.jsonl", sample)
    assert run(script, "process.py", "--prediction-length=24") == (0, "")
    (known,) = lines(script, "processing/output/dataset/series.jsonl")
    (whole,) = lines(script, "processing/output/test/series.jsonl")
    assert whole == json.loads(sample)
    assert known == {**whole, "target": whole["target"][:-24]}


def test_forecasts_are_scored_against_the_points_held_back(script: Container) -> None:
    series = {"start": "2001-01", "target": [1.0, 2.0, 1.0, 2.0, 10.0, 20.0]}
    script.put("processing/test/series.jsonl", json.dumps(series))
    quantiles = [f"0.{number}" for number in range(1, 10)]
    forecasts = [{quantile: [11.0, 20.0] for quantile in quantiles}]
    script.put("model/backtest.json", json.dumps({"season": 1, "forecasts": forecasts}))
    script.pack_model()
    assert run(script, "evaluate.py", "--prediction-length", "2") == (0, "")
    metrics = cast("dict[str, Any]", script.json("processing/evaluation/evaluation.json"))["metrics"]
    # One point is 1 too high: at the quantile q that costs 2 (1 - q) of the 30 that there are, on average 1.
    assert metrics["mean_wQuantileLoss"]["value"] == pytest.approx(1 / 30)
    # The mean error is 0.5; the naive forecast of what was known is wrong by 1.
    assert metrics["MASE"]["value"] == pytest.approx(0.5)


def test_a_model_without_forecasts_is_told(script: Container) -> None:
    script.put("model/model.json", "{}")
    script.pack_model()
    code, reason = run(script, "evaluate.py")
    assert (code, reason) == (1, "The model archive lacks backtest.json: was it trained without the channel test?")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"start": "2001", "target": [1, 2, 3]}', 'The series "t-1" has 3 points: at least 4 are needed'),
        ('{"start": "2001", "target": [1, 2, 3, 4]}\n{"target": [1]}', 't.jsonl, line 2: "start" must be a date'),
        ('{"start": "2001", "target": [1, null]}', "t.jsonl, line 1: target[1] is None, not a finite number."),
        ('{"start": "2001", "target": 1}', 't.jsonl, line 1: "target" must be a list of numbers.'),
        ("start,target", "t.jsonl, line 1 is not JSON"),
        ("", "t.jsonl holds no series."),
    ],
)
def test_a_dataset_that_cannot_be_learned_from_is_refused(script: Container, content: str, reason: str) -> None:
    script.put("processing/input/data/t.jsonl", content)
    code, said = run(script, "process.py", "--prediction-length", "2")
    assert code == 1
    assert said.startswith(reason)
    assert script.text("output/message") == said


@pytest.mark.parametrize("folder", ["gluonts", "gluoncv"])
def test_the_scripts_are_python_that_the_frameworks_image_reads(folder: str) -> None:
    """AWS's MXNet image has Python 3.8."""
    scripts = sorted((ALGORITHMS / folder / "source").glob("*.py"))
    assert scripts
    for file in scripts:
        tree = ast.parse(file.read_text(), feature_version=(3, 8))
        annotated = any(isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr) for node in ast.walk(tree))
        assert not annotated or "from __future__ import annotations" in file.read_text(), file
