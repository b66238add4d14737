"""The `train` command: channels `train` and, if there, `test` -> a decision tree in the model folder."""

import sys

import job
import model
import stages
import table
from sklearn.tree import DecisionTreeClassifier

KNOWN = {
    "target": str,
    "ignore": str,
    "test_fraction": job.number_between(0.01, 0.9),  # used by `process`
    "seed": job.whole_number(0),
    "max_depth": job.whole_number(1),
    "min_samples_leaf": job.whole_number(1),
    "criterion": job.one_of("gini", "entropy", "log_loss"),
}
DEFAULTS = {"target": "Species", "ignore": "Id", "seed": 13, "max_depth": 4, "min_samples_leaf": 1, "criterion": "gini"}


def main() -> None:
    values = DEFAULTS | job.hyperparameters(KNOWN)
    target, ignore = str(values["target"]), str(values["ignore"])
    train = stages.read_dataset(job.BASE / "input" / "data" / "train", target, ignore)
    tree = DecisionTreeClassifier(
        max_depth=values["max_depth"],
        min_samples_leaf=values["min_samples_leaf"],
        criterion=values["criterion"],
        random_state=values["seed"],
    ).fit(train.numbers, train.labels.tolist())
    trained = model.Model(tree, train.names, target, tuple(tree.classes_))
    model.save(trained, job.BASE / "model", values, len(train.labels))
    print(f"trained on {len(train.labels)} rows; depth {tree.get_depth()}, {tree.get_n_leaves()} leaves")
    tests = job.BASE / "input" / "data" / "test"
    if tests.is_dir() and any(tests.iterdir()):
        report_test(trained, table.read(table.find(tests), target, stages.names(ignore)))


def report_test(trained: model.Model, test: table.Table) -> None:
    if set(test.names) != set(trained.features):
        raise job.Problem("The channels train and test have different columns.")
    numbers = test.columns(trained.features)
    scored = stages.scores(test.labels, trained.classes, trained.probabilities(numbers))
    print("; ".join(f"test {name}={value:.4f}" for name, value in scored.items()))


if __name__ == "__main__":
    sys.exit(job.run(main, job.TRAINING_REPORT))
