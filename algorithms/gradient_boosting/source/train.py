"""Entry point of the training job in script mode: hyperparameters arrive as arguments, places as SM_* variables."""

import argparse
import os
import sys
from pathlib import Path

import job
import model
import stages
import table
from sklearn.ensemble import HistGradientBoostingClassifier


def main() -> None:
    options = arguments(sys.argv[1:])
    train = stages.read_dataset(options.train, options.target, options.ignore)
    boosting = HistGradientBoostingClassifier(
        max_iter=options.iterations,
        learning_rate=options.learning_rate,
        max_leaf_nodes=options.max_leaf_nodes,
        min_samples_leaf=options.min_samples_leaf,
        l2_regularization=options.l2_regularization,
        early_stopping=False,
        random_state=options.seed,
    ).fit(train.numbers, train.labels.tolist())
    trained = model.Model(boosting, train.names, options.target, tuple(boosting.classes_))
    model.save(trained, options.model_dir, described(options), len(train.labels))
    print(f"trained on {len(train.labels)} rows; {boosting.n_iter_} iterations")
    if options.test.is_dir() and any(options.test.iterdir()):
        report_test(trained, table.read(table.find(options.test), options.target, stages.names(options.ignore)))


def report_test(trained: model.Model, test: table.Table) -> None:
    if set(test.names) != set(trained.features):
        raise job.Problem("The channels train and test have different columns.")
    numbers = test.columns(trained.features)
    scored = stages.scores(test.labels, trained.classes, trained.probabilities(numbers))
    print("; ".join(f"test {name}={value:.4f}" for name, value in scored.items()))


def arguments(given: list[str]) -> argparse.Namespace:
    parser = job.Arguments(allow_abbrev=False)
    parser.option("target", str, "diagnosis")
    parser.option("ignore", str, "id")
    parser.option("test_fraction", job.number_between(0.01, 0.9), 0.2)  # used by process.py
    parser.option("seed", job.whole_number(0), 13)
    parser.option("iterations", job.whole_number(1), 100)
    parser.option("learning_rate", job.number_between(0.0001, 1), 0.1)
    parser.option("max_leaf_nodes", job.whole_number(2), 31)
    parser.option("min_samples_leaf", job.whole_number(1), 20)
    parser.option("l2_regularization", job.number_between(0, 1e6), 0.0)
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
