"""The two processing stages: `process` holds points back, `evaluate` scores what the model forecast for them.

Neither needs GluonTS: a processing job installs no requirements.txt. The training job leaves its forecasts of the
points it has not seen in the model archive (BACKTEST), made by the model as it was saved.
"""

from __future__ import annotations

import argparse
import json
import tarfile
from collections.abc import Sequence
from typing import Any

import numpy as np
import series
from job import BASE, Arguments, Problem, whole_number
from series import Series

BACKTEST = "backtest.json"
QUANTILES = ("0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9")


def process(arguments: Sequence[str]) -> None:
    """Processing input `data` -> outputs `dataset` and `test`, one JSON Lines file each."""
    points = _options(arguments).prediction_length
    every = series.long_enough(series.read(BASE / "processing" / "input" / "data"), points)
    output = BASE / "processing" / "output"
    series.write([one.before(points) for one in every], output / "dataset" / "series.jsonl")
    series.write(every, output / "test" / "series.jsonl")
    print(f"{len(every)} series of {min(len(one.target) for one in every)} points or more; {points} of each held back")


def evaluate(arguments: Sequence[str]) -> None:
    """Processing inputs `model` (model.tar.gz) and `test` -> evaluation.json, the property file of the pipeline."""
    _options(arguments)
    backtest = _backtest()
    metrics = errors(series.read(BASE / "processing" / "test"), backtest["forecasts"], backtest["season"])
    report = {"metrics": {name: {"value": value} for name, value in metrics.items()}}
    path = BASE / "processing" / "evaluation" / "evaluation.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    print(", ".join(f"{name}={value:.4f}" for name, value in metrics.items()))


def errors(every: Sequence[Series], forecasts: Sequence[dict[str, list[float]]], season: int) -> dict[str, float]:
    """The weighted quantile losses' mean and MASE, as GluonTS's Evaluator defines them.

    `forecasts` are quantile -> values for the last points of each series; `season` is the points of a season.
    """
    if len(every) != len(forecasts):
        raise Problem(f"The test data has {len(every)} series; the model was tried on {len(forecasts)}.")
    points = [len(forecast["0.5"]) for forecast in forecasts]
    truths = [np.array(one.target[-last:]) for one, last in zip(every, points)]  # noqa: B905 - Python 3.8
    weight = sum(float(np.sum(np.abs(truth))) for truth in truths) or 1.0
    losses = []
    for quantile in QUANTILES:
        level, loss = float(quantile), 0.0
        for truth, forecast in zip(truths, forecasts):  # noqa: B905 - Python 3.8
            predicted = np.array(forecast[quantile])
            loss += 2 * float(np.sum(np.abs((truth - predicted) * ((truth <= predicted) - level))))
        losses.append(loss / weight)
    scaled = [
        np.mean(np.abs(truth - np.array(forecast["0.5"]))) / _naive(one.before(len(truth)), season)
        for one, truth, forecast in zip(every, truths, forecasts)  # noqa: B905 - Python 3.8
    ]
    return {"mean_wQuantileLoss": float(np.mean(losses)), "MASE": float(np.mean(scaled)), "series": float(len(every))}


def _naive(known: Series, season: int) -> float:
    """The error, on what was known, of saying each point is as it was a season ago."""
    values = np.array(known.target)
    lag = season if len(values) > season else 1
    return float(np.mean(np.abs(values[lag:] - values[:-lag]))) or 1.0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = Arguments(allow_abbrev=False)
    parser.option("prediction_length", whole_number(1), 24)
    return parser.parse_args(arguments)


def _backtest() -> Any:
    archive = BASE / "processing" / "model" / "model.tar.gz"
    if not archive.is_file():
        raise Problem("There is no model.tar.gz to evaluate.")
    try:
        with tarfile.open(archive) as tar:
            name = next((one for one in tar.getnames() if one.lstrip("./") == BACKTEST), None)
            file = None if name is None else tar.extractfile(name)
            if file is None:
                raise Problem(f"The model archive lacks {BACKTEST}: was it trained without the channel test?")
            return json.load(file)
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise Problem(f"model.tar.gz cannot be read: {error}.") from error
