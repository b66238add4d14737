"""A trained classifier in a model folder: model.joblib, and model.json that says what it was trained on."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import sklearn
from job import Problem


@dataclass(frozen=True, slots=True)
class Model:
    """`classifier` is a fitted scikit-learn classifier; `features` are its input columns in order."""

    classifier: Any
    features: tuple[str, ...]
    target: str
    classes: tuple[str, ...]

    def probabilities(self, numbers: np.ndarray) -> np.ndarray:
        """Rows x classes, for rows x features."""
        return np.asarray(self.classifier.predict_proba(numbers))


def save(model: Model, folder: Path, hyperparameters: Mapping[str, object], rows: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(model.classifier, folder / "model.joblib")
    described = {
        "features": model.features,
        "target": model.target,
        "classes": model.classes,
        "rows": rows,
        "hyperparameters": dict(hyperparameters),
        "versions": {
            "python": platform.python_version(),
            "scikit-learn": sklearn.__version__,
            "numpy": np.__version__,
        },
    }
    (folder / "model.json").write_text(json.dumps(described, indent=2, ensure_ascii=False) + "\n", "utf-8")


def load(folder: Path) -> Model:
    for name in ("model.json", "model.joblib"):
        if not (folder / name).is_file():
            raise Problem(f"The model archive lacks {name}.")
    described = json.loads((folder / "model.json").read_text("utf-8"))
    return Model(
        joblib.load(folder / "model.joblib"),
        tuple(described["features"]),
        described["target"],
        tuple(described["classes"]),
    )
