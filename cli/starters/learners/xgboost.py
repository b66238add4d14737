"""Boosted trees of XGBoost: fit, save, load, and ask for probabilities."""

import xgboost


def fit(numbers, labels, classes, options):
    """`numbers` is rows x columns around zero, `labels` the number of each row's class, below `classes`."""
    parameters = {
        "objective": "multi:softprob",
        "num_class": classes,
        "eta": options.learning_rate,
        "seed": options.seed,
    }
    return xgboost.train(parameters, xgboost.DMatrix(numbers, labels), options.epochs)


def save(model, folder):
    model.save_model(str(folder / "model.json"))


def load(folder):
    model = xgboost.Booster()
    model.load_model(str(folder / "model.json"))
    return model


def probabilities(model, numbers):
    """Rows x classes."""
    return model.predict(xgboost.DMatrix(numbers))
