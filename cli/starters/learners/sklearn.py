"""A classifier of scikit-learn: fit, save, load, and ask for probabilities."""

import joblib
from sklearn.linear_model import LogisticRegression


def fit(numbers, labels, classes, options):
    """`numbers` is rows x columns around zero, `labels` the number of each row's class, below `classes`."""
    return LogisticRegression(max_iter=options.epochs * 10).fit(numbers, labels)


def save(model, folder):
    joblib.dump(model, folder / "model.joblib")


def load(folder):
    return joblib.load(folder / "model.joblib")


def probabilities(model, numbers):
    """Rows x classes."""
    return model.predict_proba(numbers)
