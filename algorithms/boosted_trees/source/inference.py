"""What the framework's model server calls: CSV rows in, one predicted value a line out."""

from pathlib import Path

import model as models
import numpy as np
import table
from job import Problem


class UnsupportedType(Problem):
    status_code = 415


def model_fn(model_dir: str) -> models.Model:
    return models.load(Path(model_dir))


def input_fn(body: bytes | str, content_type: str | None) -> bytes | str:
    """The CSV text itself: its columns are looked up by `predict_fn`, which knows the model's."""
    sent = (content_type or "").split(";")[0].strip().lower()
    if sent != "text/csv":
        raise UnsupportedType(f"The content type {sent or 'none'} is not supported: send text/csv.")
    return body


def predict_fn(body: bytes | str, model: models.Model) -> np.ndarray:
    return model.predictions(table.read_request(body, model.features))


def output_fn(values: np.ndarray, _accept: str | None) -> tuple[str, str]:
    return "".join(f"{value}\n" for value in values.tolist()), "text/csv"
