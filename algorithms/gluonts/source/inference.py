"""What the framework's model server calls: series in, quantiles of their future out, in the JSON of SageMaker's DeepAR.

`{"instances": [{"start", "target"}], "configuration": {"quantiles": ["0.1", "0.5"], "num_samples": 100}}` ->
`{"predictions": [{"start", "mean", "quantiles": {"0.1": [...], "0.5": [...]}}]}`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import model as models
import series
from job import Problem

QUANTILES = ("0.1", "0.5", "0.9")
MOST_SAMPLES = 1000


class UnsupportedType(Problem):
    status_code = 415


def model_fn(model_dir: str) -> models.Model:
    return models.load(Path(model_dir))


def input_fn(body: bytes | str, content_type: str | None) -> tuple[list[series.Series], dict[str, Any]]:
    sent = (content_type or "").split(";")[0].strip().lower()
    if sent != "application/json":
        raise UnsupportedType(f"The content type {sent or 'none'} is not supported: send application/json.")
    return series.read_request(body)


def predict_fn(request: tuple[list[series.Series], dict[str, Any]], model: models.Model) -> list[dict[str, Any]]:
    every, configuration = request
    wanted, samples = _quantiles(configuration), _samples(configuration)
    return [
        {
            "start": str(forecast.start_date),
            "mean": forecast.mean.tolist(),
            "quantiles": {name: forecast.quantile(float(name)).tolist() for name in wanted},
        }
        for forecast in model.forecasts(every, samples)
    ]


def output_fn(predictions: list[dict[str, Any]], _accept: str | None) -> tuple[str, str]:
    return json.dumps({"predictions": predictions}), "application/json"


def _quantiles(configuration: dict[str, Any]) -> list[str]:
    wanted = configuration.get("quantiles", list(QUANTILES))
    try:
        inside = all(0 < float(one) < 1 for one in wanted)
    except (TypeError, ValueError):
        inside = False
    if not inside:
        raise Problem(f'"configuration.quantiles" must be a list of numbers between 0 and 1, found {wanted!r}.')
    return [str(one) for one in wanted]


def _samples(configuration: dict[str, Any]) -> int:
    samples = configuration.get("num_samples", 100)
    if isinstance(samples, bool) or not isinstance(samples, int) or not 1 <= samples <= MOST_SAMPLES:
        what = f"a whole number from 1 to {MOST_SAMPLES}"
        raise Problem(f'"configuration.num_samples" must be {what}, found {samples!r}.')
    return samples
