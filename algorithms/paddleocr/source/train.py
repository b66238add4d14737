"""Entry point of the training job: a recognizer of text lines, learned from images and their texts.

The channel `pretrained_models` may hold an earlier recognizer to go on from, and PaddleOCR's own models for serving,
which are carried into the model archive (README.md).
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

import dataset
import job

PREDICTIONS = "predictions.tsv"
CARRIED = ("det", "cls", "table")


def main() -> None:
    options = arguments(sys.argv[1:])
    samples = dataset.read(options.dataset)
    alphabet = "".join(sorted({letter for sample in samples for letter in sample.text}))
    # After the labels are known to be good: Paddle takes seconds to import.
    import recognizer

    began = time.monotonic()
    images = [recognizer.lines.normal(opened(options.dataset, sample)) for sample in samples]
    targets = [[alphabet.index(letter) + 1 for letter in sample.text] for sample in samples]
    network = recognizer.begin(alphabet, options.pretrained_models, options.seed)
    recognizer.fit(network, images, targets, options, lambda line: print(line, flush=True))
    print(f"trained on {len(samples)} images in {time.monotonic() - began:.0f} s")
    recognizer.save(network, alphabet, options.model_dir)
    for name in CARRIED:
        if (options.pretrained_models / name).is_dir():
            shutil.copytree(str(options.pretrained_models / name), str(options.model_dir / name))
    if (options.test / dataset.LABELS).is_file():
        tests = dataset.read(options.test)
        images = [recognizer.lines.normal(opened(options.test, sample)) for sample in tests]
        found = [text for text, _ in recognizer.read(network, images, alphabet)]
        keep_predictions(options.model_dir / PREDICTIONS, tests, found)


def opened(folder: Path, sample: dataset.Sample) -> object:
    import lines

    try:
        return lines.picture((folder / sample.image).read_bytes())
    except ValueError as error:
        raise job.Problem(f"{sample.image}: {error}") from error


def keep_predictions(file: Path, tests: list[dataset.Sample], found: list[str]) -> None:
    """What the model reads in the held-out images: evaluate.py compares, on an image that has no PaddlePaddle."""
    file.write_text("".join(f"{sample.image}\t{text}\n" for sample, text in zip(tests, found)), "utf-8")
    right = sum(sample.text == text for sample, text in zip(tests, found))
    print(f"test accuracy={right / len(tests):.4f}")


def arguments(given: list[str]) -> argparse.Namespace:
    parser = job.Arguments(allow_abbrev=False)
    parser.option("epochs", job.whole_number(1), 8)
    parser.option("batch_size", job.whole_number(1), 16)
    parser.option("learning_rate", job.number_between(1e-6, 1), 0.006)
    parser.option("test_fraction", job.number_between(0.01, 0.9), 0.1)  # used by process.py
    parser.option("seed", job.whole_number(0), 13)
    data = job.BASE / "input" / "data"
    for channel in ("dataset", "test", dataset.PRETRAINED):
        parser.option(channel, Path, os.environ.get(f"SM_CHANNEL_{channel.upper()}", data / channel))
    # SageMaker's TensorFlow estimator adds --model_dir, a place in S3 for checkpoints that nothing here writes.
    parser.add_argument("--model_dir", dest="checkpoints")
    options, unknown = parser.parse_known_args(given)
    options.model_dir = Path(os.environ.get("SM_MODEL_DIR", job.BASE / "model"))
    if unknown:
        print(f"These arguments are not used here: {' '.join(unknown)}", file=sys.stderr)
    return options


if __name__ == "__main__":
    sys.exit(job.run(main, job.TRAINING_REPORT))
