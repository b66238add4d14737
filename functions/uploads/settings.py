"""The hyperparameters of a run and where each is from: later words beat earlier ones.

default     the algorithm's own
inherited   the last successful run's, where nobody named a file (retraining, `POST /v1/trainings` without a key)
dataset     `_HYPERPARAMETERS.json` in the dataset's folder, which a bare PUT to S3 can leave there before the data
upload      announced with the upload
request     asked for by name
rerun       the run's that is run again
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from functions.aws.services import is_no_object
from functions.catalogue import catalogue
from functions.catalogue.catalogue import Algorithm
from functions.jobs.job import Source
from functions.uploads import keys

if TYPE_CHECKING:
    from functions.aws.services import Services

MAX_BYTES = 64 * 1024

Layer = tuple[str, Mapping[str, Any]]
"""A word of where values are from, and the values by name."""


class SettingsRejected(ValueError):
    """The hyperparameters beside a dataset cannot be used; the text says why."""


def resolve(algorithm: Algorithm, layers: Sequence[Layer]) -> dict[str, dict[str, Any]]:
    """Returns every hyperparameter by name, as `{"value": ..., "origin": ...}`; the last layer that has one counts."""
    known: Mapping[str, Mapping[str, Any]] = algorithm.spec.get("hyperparameters", {})
    resolved = {name: {"value": spec.get("default"), "origin": "default"} for name, spec in known.items()}
    for origin, values in layers:
        resolved |= {name: {"value": value, "origin": origin} for name, value in values.items()}
    return resolved


def beside(source: Source, algorithm: Algorithm, services: Services) -> Mapping[str, Any]:
    """Returns the hyperparameters that lie beside a dataset, {} where there are none.

    Raises:
        SettingsRejected: they are no JSON object, or the algorithm does not take them.
    """
    key = source.key.removesuffix(source.key.rsplit("/", 1)[-1]) + keys.HYPERPARAMETERS
    text = _text(source.bucket, key, services) if keys.in_dataset(source.key) else None
    if text is None:
        return {}
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SettingsRejected(f"'{key}' is no JSON") from error
    if not isinstance(values, dict):
        raise SettingsRejected(f"'{key}' is no JSON object of hyperparameters")
    problems = catalogue.check(algorithm, values)
    if problems:
        raise SettingsRejected("; ".join(f"'{key}': {name}: {problem}" for name, problem in problems.items()))
    return values


def _text(bucket: str, key: str, services: Services) -> str | None:
    try:
        response = services.s3.get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if is_no_object(error):
            return None
        raise
    body = response["Body"].read(MAX_BYTES + 1)
    if len(body) > MAX_BYTES:
        raise SettingsRejected(f"'{key}' is larger than {MAX_BYTES // 1024} KB")
    return body.decode(errors="replace")


def still_fitting(algorithm: Algorithm, values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns those of an earlier run's hyperparameters that the algorithm, which may have changed, still takes."""
    problems = catalogue.check(algorithm, values)
    return {name: value for name, value in values.items() if name not in problems}
