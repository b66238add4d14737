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
    train, test = table.split(whole, options.test_fraction, options.seed)
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
    import model as models  # scikit-learn takes longer to import than the `process` stage to run

    _options(arguments)
    with tempfile.TemporaryDirectory() as folder:
        _unpack(BASE / "processing" / "model" / "model.tar.gz", Path(folder))
        model = models.load(Path(folder))
    test = table.read(table.find(BASE / "processing" / "test"), model.target)
    if missing := set(model.features) - set(test.names):
        raise Problem(f"The test data lacks columns the model was trained on: {', '.join(sorted(missing))}.")
    numbers = test.columns(model.features)
    metrics = scores(test.labels, model.classes, model.probabilities(numbers))
    report = {"metrics": {name: {"value": value} for name, value in metrics.items()}}
    path = BASE / "processing" / "evaluation" / "evaluation.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    table.write_sample(model.features, numbers, path.with_name("sample"))
    print(", ".join(f"{name}={value:.4f}" for name, value in metrics.items()))


def read_dataset(folder: Path, target: str, ignore: str) -> Table:
    """The table in `folder`, fit to train a classifier. Problem: too few rows, one class, or almost a class a row."""
    whole = table.read(table.find(folder), target, names(ignore))
    rows, classes = len(whole.labels), len(set(whole.labels))
    if rows < FEWEST_ROWS:
        raise Problem(f"The dataset has too few rows: {rows}; at least {FEWEST_ROWS} are needed.")
    if classes == 1:
        raise Problem(f'The column "{target}" holds one class only, "{whole.labels[0]}": at least two are needed.')
    if classes > rows / 2:
        raise Problem(
            f'The column "{target}" holds {classes} different values in {rows} rows: it does not look like a class. '
            "A classifier needs several rows of each class."
        )
    return whole


def names(listed: str) -> list[str]:
    """The names in a comma-separated list."""
    return [name.strip() for name in listed.split(",")]


def scores(labels: np.ndarray, classes: Sequence[str], probabilities: np.ndarray) -> dict[str, float]:
    """Accuracy, F1 averaged over the classes, and the number of rows, all as floats."""
    predicted = np.array(classes, dtype=object)[probabilities.argmax(axis=1)]
    f1 = []
    for name in set(labels) | set(predicted):
        hits = np.sum((labels == name) & (predicted == name))
        f1.append(2 * hits / (np.sum(labels == name) + np.sum(predicted == name)))
    return {"accuracy": float(np.mean(predicted == labels)), "f1_macro": float(np.mean(f1)), "rows": float(len(labels))}


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
