"""Entry point of the training job in script mode: hyperparameters arrive as arguments, places as SM_* variables."""

from __future__ import annotations

import argparse
import inspect
import json
import logging
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import job
import model
import series
import stages
from gluonts.env import env
from gluonts.mx import DeepAREstimator, SimpleFeedForwardEstimator, TransformerEstimator
from gluonts.mx.trainer import Trainer

ESTIMATORS = {
    "DeepAR": DeepAREstimator,
    "SimpleFeedForward": SimpleFeedForwardEstimator,
    "Transformer": TransformerEstimator,
}


def main() -> None:
    options = arguments(sys.argv[1:])
    # One line a round, which algorithm.yaml's metrics read, in place of a progress bar.
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
    model.seed(options.seed)
    train = series.read(options.dataset)
    known = model.dataset(train, options.freq)
    with env._let(use_tqdm=False):
        predictor = estimator(options, train).train(known)
    model.save(predictor, options.model_dir, options.freq, described(options), len(train))
    # The archive serves by itself: the framework's server looks for the scripts here.
    unwanted = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(__file__).parent, options.model_dir / "code", ignore=unwanted, dirs_exist_ok=True)
    print(f"trained on {len(train)} series")
    if options.test.is_dir() and any(options.test.iterdir()):
        backtest(model.load(options.model_dir), series.read(options.test), options)


def estimator(options: argparse.Namespace, train: list[series.Series]) -> Any:
    """The algorithm's estimator, cut to what the data holds.

    A batch never has more windows than there are, and no window looks back beyond the longest series: repeats and
    padding would cost time and teach nothing.
    """
    windows = sum(max(1, len(one.target) - options.prediction_length + 1) for one in train)
    longest = max(len(one.target) for one in train)
    trainer = Trainer(
        epochs=options.epochs,
        num_batches_per_epoch=options.num_batches_per_epoch,
        learning_rate=options.learning_rate,
        hybridize=True,
    )
    given = {
        "freq": options.freq,
        "prediction_length": options.prediction_length,
        "context_length": min(options.context_length, max(1, longest - options.prediction_length)),
        "batch_size": min(options.batch_size, windows),
        "trainer": trainer,
    }
    kind = ESTIMATORS[options.algo_name]
    print(f"{options.algo_name}: batches of {given['batch_size']}, windows of {given['context_length']} points")
    return kind(**{name: value for name, value in given.items() if name in inspect.signature(kind).parameters})


def backtest(trained: model.Model, whole: list[series.Series], options: argparse.Namespace) -> None:
    """Forecasts, by the model as it was saved, of the points held back; `evaluate` compares them with the truth."""
    made = trained.forecasts([one.before(options.prediction_length) for one in whole])
    forecasts = [{name: made_one.quantile(float(name)).tolist() for name in stages.QUANTILES} for made_one in made]
    document = {"season": trained.season, "forecasts": forecasts}
    (options.model_dir / stages.BACKTEST).write_text(json.dumps(document) + "\n", "utf-8")
    scored = stages.errors(whole, forecasts, trained.season)
    print("; ".join(f"test {name}={value:.4f}" for name, value in scored.items()))


def arguments(given: list[str]) -> argparse.Namespace:
    parser = job.Arguments(allow_abbrev=False)
    parser.option("algo_name", job.one_of(*ESTIMATORS), "DeepAR")
    parser.option("freq", str, "1M")
    parser.option("prediction_length", job.whole_number(1), 24)
    parser.option("context_length", job.whole_number(1), 240)
    parser.option("epochs", job.whole_number(1), 200)
    parser.option("batch_size", job.whole_number(1), 2048)
    parser.option("num_batches_per_epoch", job.whole_number(1), 2)
    parser.option("learning_rate", job.number_between(0.00001, 1), 0.001)
    parser.option("seed", job.whole_number(0), 13)
    data = job.BASE / "input" / "data"
    parser.option("model_dir", Path, os.environ.get("SM_MODEL_DIR", job.BASE / "model"))
    parser.option("dataset", Path, os.environ.get("SM_CHANNEL_DATASET", data / "dataset"))
    parser.option("test", Path, os.environ.get("SM_CHANNEL_TEST", data / "test"))
    options, unknown = parser.parse_known_args(given)
    if unknown:
        print(f"These arguments are not used here: {' '.join(unknown)}", file=sys.stderr)
    return options


def described(options: argparse.Namespace) -> dict[str, object]:
    places = {"model_dir", "dataset", "test"}
    return {name: value for name, value in vars(options).items() if name not in places}


if __name__ == "__main__":
    sys.exit(job.run(main, job.TRAINING_REPORT))
