"""Processing stage: the share of held-out images whose whole text the model read, as evaluation.json.

The model's readings come with its archive, so this needs no PaddlePaddle, which the processing image does not have.
"""

from __future__ import annotations

import json
import sys
import tarfile
from pathlib import Path

import dataset
import job
from train import PREDICTIONS


def main() -> None:
    place = job.BASE / "processing"
    tests = dataset.read(place / "test")
    found = readings(place / "model" / "model.tar.gz")
    missing = [sample.image for sample in tests if sample.image not in found]
    if missing or not tests:
        raise job.Problem(f"The model was not scored on these images of the channel test: {', '.join(missing[:5])}.")
    right = sum(found[sample.image] == sample.text for sample in tests)
    wrong = sum(distance(found[sample.image], sample.text) for sample in tests)
    letters = sum(len(sample.text) for sample in tests)
    metrics = {"accuracy": right / len(tests), "letter_error_rate": wrong / letters, "images": float(len(tests))}
    report = {"metrics": {name: {"value": value} for name, value in metrics.items()}}
    target = place / "evaluation" / "evaluation.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    print(", ".join(f"{name}={value:.4f}" for name, value in metrics.items()))


def readings(archive: Path) -> dict[str, str]:
    """Image -> text, as the model read it."""
    try:
        with tarfile.open(archive) as tar:
            member = next(one for one in tar if one.name.lstrip("./") == PREDICTIONS)
            content = tar.extractfile(member)
            text = content.read().decode() if content else ""
    except (OSError, tarfile.TarError, StopIteration) as error:
        raise job.Problem(f"The model archive holds no {PREDICTIONS}: train with a channel test.") from error
    return dict(line.split("\t", 1) for line in text.splitlines())


def distance(left: str, right: str) -> int:
    """Letters to change, put in or leave out (Levenshtein)."""
    row = list(range(len(right) + 1))
    for number, letter in enumerate(left, 1):
        before, row[0] = row[0], number
        for place, other in enumerate(right, 1):
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, before + (letter != other))
    return row[-1]


if __name__ == "__main__":
    sys.exit(job.run(main, job.PROCESSING_REPORT))
