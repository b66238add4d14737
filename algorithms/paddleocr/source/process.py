"""Processing stage: the uploaded images, checked and split into `dataset` and `test`; pretrained models beside them."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import dataset
import job


def main() -> None:
    options = arguments(sys.argv[1:])
    output = job.BASE / "processing" / "output"
    with tempfile.TemporaryDirectory() as aside:
        source = dataset.unpacked(job.BASE / "processing" / "input" / "data", Path(aside))
        train, test = dataset.split(dataset.read(source), options.test_fraction, options.seed)
        dataset.write(train, source, output / "dataset")
        dataset.write(test, source, output / "test")
        carry_pretrained(source / dataset.PRETRAINED, output / dataset.PRETRAINED)
    print(f"{len(train)} images for training, {len(test)} held out")


def carry_pretrained(given: Path, target: Path) -> None:
    """The upload's own folder of models. SageMaker refuses a channel without a file, so there is always one."""
    if given.is_dir():
        shutil.copytree(str(given), str(target))
    target.mkdir(parents=True, exist_ok=True)
    (target / "README.txt").write_text("Pretrained models of the upload; see algorithms/paddleocr/README.md.\n")


def arguments(given: list[str]) -> argparse.Namespace:
    parser = job.Arguments(allow_abbrev=False)
    parser.option("test_fraction", job.number_between(0.01, 0.9), 0.1)
    parser.option("seed", job.whole_number(0), 13)
    return parser.parse_args(given)


if __name__ == "__main__":
    sys.exit(job.run(main, job.PROCESSING_REPORT))
