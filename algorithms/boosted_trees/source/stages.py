"""The two processing stages: `process` checks and splits the uploaded table, `evaluate` scores the trained model."""

from __future__ import annotations

import argparse
import json
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import table
from job import BASE, Arguments, Problem, number_between, whole_number
from table import Table

FEWEST_ROWS = 10


def process(arguments: Sequence[str]) -> None:
    """Processing input `data` -> outputs `train` and `test`, one CSV file each."""
    options = _options(arguments)
    whole = read_dataset(BASE / "processing" / "input" / "data", options.target, options.ignore)
    train, test = split(whole, options.test_fraction, options.seed)
    output = BASE / "processing" / "output"
    table.write(train, output / "train" / "train.csv", options.target)
    table.write(test, output / "test" / "test.csv", options.target)
    print(
        f"{len(whole.labels)} rows, {len(whole.names)} columns: "
        f"{len(train.labels)} for training, {len(test.labels)} held out"
    )


def evaluate(arguments: Sequence[str]) -> None:
    """Processing inputs `model` (model.tar.gz) and `test` -> evaluation.json, the property file of the pipeline,
    and `sample`, a request that the model answers."""
    import model as models  # XGBoost takes longer to import than the `process` stage to run

    _options(arguments)
    with tempfile.TemporaryDirectory() as folder:
        _unpack(BASE / "processing" / "model" / "model.tar.gz", Path(folder))
        model = models.load(Path(folder))
    test = table.read(table.find(BASE / "processing" / "test"), model.target)
    if missing := set(model.features) - set(test.names):
        raise Problem(f"The test data lacks columns the model was trained on: {', '.join(sorted(missing))}.")
    numbers = test.columns(model.features)
    metrics = errors(targets(test, model.target), model.predictions(numbers))
    report = {"metrics": {name: {"value": value} for name, value in metrics.items()}}
    path = BASE / "processing" / "evaluation" / "evaluation.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    table.write_sample(model.features, numbers, path.with_name("sample"))
    print(", ".join(f"{name}={value:.4f}" for name, value in metrics.items()))


def read_dataset(folder: Path, target: str, ignore: str) -> Table:
    """The table in `folder`, to train a regressor. Problem: too few rows, or a target that is fixed or no number."""
    whole = table.read(table.find(folder), target, [name.strip() for name in ignore.split(",")])
    if len(whole.labels) < FEWEST_ROWS:
        raise Problem(f"The dataset has too few rows: {len(whole.labels)}; at least {FEWEST_ROWS} are needed.")
    values = targets(whole, target)
    if np.ptp(values) == 0:
        raise Problem(f'The column "{target}" is {values[0]:g} in every row: there is nothing to learn.')
    return whole


def targets(whole: Table, target: str) -> np.ndarray:
    """The target's values. Problem: one that is not a finite number."""
    try:
        values = whole.labels.astype(float)
    except ValueError as error:
        raise Problem(f'The column "{target}" must hold numbers: {error}.') from error
    if not np.isfinite(values).all():
        raise Problem(f'The column "{target}" holds a value that is not a finite number.')
    return values


def split(whole: Table, fraction: float, seed: int) -> tuple[Table, Table]:
    """The table as (train, test), the same way each time for one seed."""
    rows = len(whole.labels)
    held_out = np.zeros(rows, dtype=bool)
    held_out[np.random.default_rng(seed).permutation(rows)[: max(1, round(rows * fraction))]] = True
    return whole.rows(~held_out), whole.rows(held_out)


def errors(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Root mean square and mean absolute error in the target's unit, R2, and the number of rows."""
    residuals = predicted - truth
    spread = float(np.sum((truth - truth.mean()) ** 2))
    r2 = 1 - float(np.sum(residuals**2)) / spread if spread else 0.0
    return {
        "rmse": float(np.sqrt(np.mean(residuals**2))),
        "mae": float(np.mean(np.abs(residuals))),
        "r2": r2,
        "rows": float(len(truth)),
    }


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = Arguments(allow_abbrev=False)
    parser.option("target", str, "target")
    parser.option("ignore", str, "")
    parser.option("test_fraction", number_between(0.01, 0.9), 0.2)
    parser.option("seed", whole_number(0), 13)
    return parser.parse_args(arguments)


def _unpack(archive: Path, folder: Path) -> None:
    if not archive.is_file():
        raise Problem("There is no model.tar.gz to evaluate.")
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError, OSError) as error:
        raise Problem(f"model.tar.gz cannot be unpacked: {error}.") from error
