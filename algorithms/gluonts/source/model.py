"""A forecasting model in a model folder: GluonTS's own files, and model.json that says how it was trained."""

from __future__ import annotations

import json
import platform
import threading
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from job import Problem
from series import Series

# GluonTS proposes a faster JSON package, and MXNet spells NumPy's types the old way, on every import.
warnings.simplefilter("ignore", UserWarning)
warnings.simplefilter("ignore", FutureWarning)

import gluonts  # noqa: E402
import mxnet  # noqa: E402
import pandas  # noqa: E402
from gluonts.dataset.common import ListDataset  # noqa: E402
from gluonts.model.predictor import Predictor  # noqa: E402
from gluonts.time_feature import get_seasonality  # noqa: E402

# One network serves one request at a time: MXNet's blocks are not made for several threads.
_ONE_AT_A_TIME = threading.Lock()


class Model(NamedTuple):
    """`predictor` is GluonTS's; `described` is model.json."""

    predictor: Any
    described: Mapping[str, Any]

    @property
    def freq(self) -> str:
        return str(self.described["freq"])

    @property
    def season(self) -> int:
        """The points of a season at this frequency: 12 for months."""
        return int(get_seasonality(self.freq))

    def forecasts(self, every: Sequence[Series], samples: int = 100) -> list[Any]:
        """GluonTS's forecast of each series. The same series have the same forecasts."""
        with _ONE_AT_A_TIME:
            seed(int(self.described["hyperparameters"]["seed"]))
            return list(self.predictor.predict(dataset(every, self.freq), num_samples=samples))


def seed(value: int) -> None:
    mxnet.random.seed(value)
    np.random.seed(value)


def dataset(every: Sequence[Series], freq: str) -> ListDataset:
    """Problem: a start that is no date, or a frequency that pandas does not know."""
    for one in every:
        try:
            pandas.Period(one.start, freq=freq)
        except ValueError as error:
            raise Problem(f'The series "{one.item_id}" starts at no date of frequency {freq}: {error}') from error
    return ListDataset([one.entry() for one in every], freq=freq)


def save(predictor: Any, folder: Path, freq: str, hyperparameters: Mapping[str, object], number: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "predictor").mkdir(exist_ok=True)
    predictor.serialize(folder / "predictor")
    described = {
        "freq": freq,
        "series": number,
        "hyperparameters": dict(hyperparameters),
        "versions": {"python": platform.python_version(), "gluonts": gluonts.__version__, "mxnet": mxnet.__version__},
    }
    (folder / "model.json").write_text(json.dumps(described, indent=2) + "\n", "utf-8")


def load(folder: Path) -> Model:
    if not (folder / "model.json").is_file() or not (folder / "predictor").is_dir():
        raise Problem("The model archive lacks model.json or predictor/.")
    described = json.loads((folder / "model.json").read_text("utf-8"))
    return Model(Predictor.deserialize(folder / "predictor"), described)
