"""Entry point of the training job: a small convolutional network, kept as a SavedModel that TensorFlow Serving reads.

The model folder becomes `1/saved_model.pb` and `code/inference.py`: TensorFlow's serving image takes a script from the
archive alone.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

import images
import job
import numpy as np

VERSION = "1"


def main() -> None:
    options = arguments(sys.argv[1:])
    train = images.read(options.train)
    # After the data is known to be good: TensorFlow takes seconds to import.
    import network

    network.seed(options.seed)
    model = network.build(train.pixels)
    network.fit(model, train, options.epochs, options.batch_size, options.learning_rate)
    network.save(model, options.model_place / VERSION)
    keep_script(options.model_place)
    if options.test.is_dir() and any(options.test.iterdir()):
        test = images.read(options.test)
        hits = np.argmax(network.probabilities(model, test.pixels), axis=1) == test.digits
        print(f"test accuracy={hits.mean():.4f}")


def keep_script(folder: Path) -> None:
    code = folder / "code"
    code.mkdir(parents=True, exist_ok=True)
    shutil.copy(Path(__file__).with_name("inference.py"), code / "inference.py")


def arguments(given: list[str]) -> argparse.Namespace:
    parser = job.Arguments(allow_abbrev=False)
    parser.option("epochs", job.whole_number(1), 12)
    parser.option("batch_size", job.whole_number(1), 64)
    parser.option("learning_rate", job.number_between(1e-6, 1), 0.002)
    parser.option("test_fraction", job.number_between(0.01, 0.9), 0.2)  # used by process.py
    parser.option("seed", job.whole_number(0), 13)
    data = job.BASE / "input" / "data"
    parser.option("model_place", Path, os.environ.get("SM_MODEL_DIR", job.BASE / "model"))
    parser.option("train", Path, os.environ.get("SM_CHANNEL_TRAIN", data / "train"))
    parser.option("test", Path, os.environ.get("SM_CHANNEL_TEST", data / "test"))
    # SageMaker's TensorFlow estimator adds --model_dir, a place in S3 for checkpoints that nothing here writes.
    options, _ = parser.parse_known_args(given)
    return options


if __name__ == "__main__":
    sys.exit(job.run(main, job.TRAINING_REPORT))
