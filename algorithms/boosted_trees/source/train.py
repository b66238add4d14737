"""Entry point of the training job in script mode: hyperparameters arrive as arguments, places as SM_* variables."""

import argparse
import os
import sys
from pathlib import Path

import job
import model
import stages
import table
import xgboost


def main() -> None:
    options = arguments(sys.argv[1:])
    train = stages.read_dataset(options.train, options.target, options.ignore)
    watched = [(_matrix(train, train.names, options.target), "train")]
    if options.test.is_dir() and any(options.test.iterdir()):
        test = table.read(table.find(options.test), options.target, options.ignore.split(","))
        if set(test.names) != set(train.names):
            raise job.Problem("The channels train and test have different columns.")
        watched.append((_matrix(test, train.names, options.target), "test"))
    # Prints the errors of both after each round; algorithm.yaml's metrics read them.
    booster = xgboost.train(parameters(options), watched[0][0], options.num_round, evals=watched, verbose_eval=10)
    model.save(
        model.Model(booster, train.names, options.target), options.model_dir, described(options), len(train.labels)
    )
    print(f"trained on {len(train.labels)} rows; {booster.num_boosted_rounds()} rounds")


def parameters(options: argparse.Namespace) -> dict[str, object]:
    named = ("eta", "max_depth", "min_child_weight", "subsample", "colsample_bytree", "reg_lambda", "seed")
    return {"objective": "reg:squarederror", "eval_metric": "rmse", **{name: getattr(options, name) for name in named}}


def _matrix(rows: table.Table, features: tuple[str, ...], target: str) -> xgboost.DMatrix:
    numbers = rows.columns(features)
    return xgboost.DMatrix(numbers, label=stages.targets(rows, target))


def arguments(given: list[str]) -> argparse.Namespace:
    parser = job.Arguments(allow_abbrev=False)
    parser.option("target", str, "progression")
    parser.option("ignore", str, "id")
    parser.option("test_fraction", job.number_between(0.01, 0.9), 0.2)  # used by process.py
    parser.option("seed", job.whole_number(0), 13)
    parser.option("num_round", job.whole_number(1), 100)
    parser.option("eta", job.number_between(0.0001, 1), 0.05)
    parser.option("max_depth", job.whole_number(1), 3)
    parser.option("min_child_weight", job.number_between(0, 1e6), 5.0)
    parser.option("subsample", job.number_between(0.01, 1), 0.8)
    parser.option("colsample_bytree", job.number_between(0.01, 1), 0.8)
    parser.option("reg_lambda", job.number_between(0, 1e6), 1.0)
    data = job.BASE / "input" / "data"
    parser.option("model_dir", Path, os.environ.get("SM_MODEL_DIR", job.BASE / "model"))
    parser.option("train", Path, os.environ.get("SM_CHANNEL_TRAIN", data / "train"))
    parser.option("test", Path, os.environ.get("SM_CHANNEL_TEST", data / "test"))
    options, unknown = parser.parse_known_args(given)
    if unknown:
        print(f"These arguments are not used here: {' '.join(unknown)}", file=sys.stderr)
    return options


def described(options: argparse.Namespace) -> dict[str, object]:
    places = {"model_dir", "train", "test"}
    return {name: value for name, value in vars(options).items() if name not in places}


if __name__ == "__main__":
    sys.exit(job.run(main, job.TRAINING_REPORT))
