"""The two processing stages: `process` checks and splits the uploaded images, `evaluate` scores the trained network."""

from __future__ import annotations

import argparse
import json
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

import dataset
from job import BASE, Arguments, Problem, number_between, whole_number


def process(arguments: Sequence[str]) -> None:
    """Processing input `data` -> outputs `train`, `val` and `test`, a folder a class in each."""
    options = _options(arguments)
    files = dataset.read(BASE / "processing" / "input" / "data")
    parts = splits(dataset.classes(files), options)
    output = BASE / "processing" / "output"
    counts = {part: dataset.write(parts[part], output / part) for part in dataset.SPLITS}
    if (weights := dataset.weights(files)) is not None:
        (output / "train" / dataset.WEIGHTS).write_bytes(weights)
    shown = ", ".join(f"{count} for {part}" for part, count in counts.items())
    print(f"{len(parts['train'])} classes, {sum(counts.values())} images: {shown}")


def splits(
    found: dict[str, dict[str, list[dataset.File]]], options: argparse.Namespace
) -> dict[str, dict[str, list[dataset.File]]]:
    """train, val and test. Problem: fewer than two classes, or a class that training does not see."""
    shares = {"test": options.test_fraction, "val": options.val_fraction}
    if "all" in found:
        parts = dataset.split(found["all"], shares, options.seed)
    else:
        if "train" not in found:
            raise Problem(f"The dataset has the folders {', '.join(sorted(found))} and no train.")
        missing = {part: share for part, share in shares.items() if part not in found}
        parts = {**found, **{k: v for k, v in dataset.split(found["train"], missing, options.seed).items() if v}}
    known = parts["train"].keys()
    if len(known) < 2:
        raise Problem(f'The dataset has one class only, "{next(iter(known))}": at least two are needed.')
    for part in ("val", "test"):
        if unknown := parts[part].keys() - known:
            raise Problem(f"{part} has classes that train has not: {', '.join(sorted(unknown)[:20])}.")
    return parts


def evaluate(arguments: Sequence[str]) -> None:
    """Processing inputs `model` (model.tar.gz) and `test` -> evaluation.json, the property file of the pipeline."""
    import model as models  # MXNet takes longer to import than the `process` stage to run

    _options(arguments)
    with tempfile.TemporaryDirectory() as folder:
        _unpack(BASE / "processing" / "model" / "model.tar.gz", Path(folder))
        model = models.load(Path(folder))
    metrics = models.scores(model, dataset.folders(BASE / "processing" / "test"))
    report = {"metrics": {name: {"value": value} for name, value in metrics.items()}}
    path = BASE / "processing" / "evaluation" / "evaluation.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    print(", ".join(f"{name}={value:.4f}" for name, value in metrics.items()))


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = Arguments(allow_abbrev=False)
    parser.option("test_fraction", number_between(0.01, 0.5), 0.2)
    parser.option("val_fraction", number_between(0.01, 0.4), 0.1)
    parser.option("seed", whole_number(0), 13)
    return parser.parse_args(arguments)


def _unpack(archive: Path, folder: Path) -> None:
    if not archive.is_file():
        raise Problem("There is no model.tar.gz to evaluate.")
    # The image's Python is older than the filter; the archive is the training job's own.
    safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, **safely)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise Problem(f"model.tar.gz cannot be unpacked: {error}.") from error
