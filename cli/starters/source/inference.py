"""What the framework's model server calls: CSV rows in, a probability for each class out, one line a row."""

import json
from pathlib import Path

import learner
import numpy as np
import table


def model_fn(model_dir, *_):
    """The model and what train.py wrote about its table."""
    return learner.load(Path(model_dir)), json.loads((Path(model_dir) / "table.json").read_text())


def input_fn(body, content_type, *_):
    if (content_type or "").split(";")[0].strip().lower() != "text/csv":
        raise ValueError(f"expected the content type text/csv, found {content_type}")
    return body


def predict_fn(body, loaded, *_):
    model, described = loaded
    numbers = table.request(body, described["names"])
    return learner.probabilities(model, (numbers - np.array(described["mean"])) / np.array(described["scale"]))


def output_fn(probabilities, accept="text/csv", *_):
    return "".join(",".join(f"{value:.6f}" for value in row) + "\n" for row in probabilities.tolist()), "text/csv"
