"""What the framework's model server calls: one PNG or JPEG image in, JSON out.

The variable `task` says what: `classification`, the classes with their probabilities, or `search`, the features that a
vector index compares images by. Which network and which classes it has stands in the model archive.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import model as models
from job import Problem

TYPES = ("image/png", "image/jpeg", "image/jpg", "application/x-image")
TASKS = ("classification", "search")
MOST_CLASSES = 5


class UnsupportedType(Problem):
    status_code = 415


def model_fn(model_dir: str) -> models.Model:
    task()
    return models.load(Path(model_dir))


def task() -> str:
    chosen = os.environ.get("task", TASKS[0])  # noqa: SIM112 - the earlier system's name
    if chosen not in TASKS:
        raise Problem(f"The variable task must be one of {', '.join(TASKS)}, found {chosen!r}.")
    return chosen


def input_fn(body: bytes, content_type: str | None) -> bytes:
    sent = (content_type or "").split(";")[0].strip().lower()
    if sent not in TYPES:
        raise UnsupportedType(f"The content type {sent or 'none'} is not supported: send one of {', '.join(TYPES)}.")
    return body


def predict_fn(body: bytes, model: models.Model) -> dict[str, Any]:
    images = models.images([body], model.size)
    if task() == "search":
        return {"features": model.features(images)[0].tolist()}
    probabilities = model.probabilities(images)[0]
    best = probabilities.argsort()[::-1][:MOST_CLASSES].tolist()
    return {"predictions": [{"class": model.classes[one], "probability": float(probabilities[one])} for one in best]}


def output_fn(prediction: dict[str, Any], _accept: str | None) -> tuple[str, str]:
    return json.dumps(prediction), "application/json"
