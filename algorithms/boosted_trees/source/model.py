"""A trained regressor in a model folder: the booster in XGBoost's own JSON, and model.json that says what it reads."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xgboost
from job import Problem

BOOSTER = "xgboost-model.json"


@dataclass(frozen=True, slots=True)
class Model:
    """`features` are the booster's input columns in order; `target` is what it predicts."""

    booster: xgboost.Booster
    features: tuple[str, ...]
    target: str

    def predictions(self, numbers: np.ndarray) -> np.ndarray:
        """One value a row, for rows x features."""
        return np.asarray(self.booster.inplace_predict(numbers))


def save(model: Model, folder: Path, hyperparameters: Mapping[str, object], rows: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    model.booster.save_model(folder / BOOSTER)
    described = {
        "features": model.features,
        "target": model.target,
        "rows": rows,
        "hyperparameters": dict(hyperparameters),
        "versions": {
            "python": platform.python_version(),
            "xgboost": xgboost.__version__,
            "numpy": np.__version__,
        },
    }
    (folder / "model.json").write_text(json.dumps(described, indent=2, ensure_ascii=False) + "\n", "utf-8")


def load(folder: Path) -> Model:
    for name in ("model.json", BOOSTER):
        if not (folder / name).is_file():
            raise Problem(f"The model archive lacks {name}.")
    described = json.loads((folder / "model.json").read_text("utf-8"))
    booster = xgboost.Booster(model_file=folder / BOOSTER)
    return Model(booster, tuple(described["features"]), described["target"])
