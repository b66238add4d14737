"""What a run measured: the metrics of its evaluation and of its training job, and how long each step took."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from functions.aws.log import logger
from functions.aws.services import error_code, is_no_object

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import PipelineExecutionStepTypeDef

    from functions.aws.services import Services

MAX_BYTES = 1024 * 1024
MAX_METRICS = 100
"""A row has 400 KB, and a person reads less."""


def of_job(job_id: str, training_job: str | None, services: Services) -> dict[str, float]:
    """Returns numbers by name: those of `evaluation.json`, and behind them those that the training job printed.

    What cannot be read costs the numbers, not the record of the run.
    """
    metrics: dict[str, float] = {}
    printed: dict[str, float] = {}
    try:
        if training_job:
            response = services.sagemaker.describe_training_job(TrainingJobName=training_job)
            printed = {entry["MetricName"]: entry["Value"] for entry in response.get("FinalMetricDataList", [])}
        metrics = _evaluated(job_id, services)
    except ClientError as error:
        logger.warning("no metrics of a run", extra={"answer": error_code(error)})
    for name, value in printed.items():
        metrics.setdefault(name, value)
    finite = {name: float(value) for name, value in metrics.items() if math.isfinite(value)}
    return dict(islice(finite.items(), MAX_METRICS))


def _evaluated(job_id: str, services: Services) -> dict[str, float]:
    key = f"runs/{job_id}/evaluation/evaluation.json"
    try:
        body = services.s3.get_object(Bucket=services.settings.artifacts_bucket, Key=key)["Body"].read(MAX_BYTES)
        document = json.loads(body)
    except ClientError as error:
        if is_no_object(error):
            return {}
        raise
    except (ValueError, RecursionError):
        return {}
    metrics = document.get("metrics") if isinstance(document, dict) else None
    return dict(numbers(metrics)) if isinstance(metrics, dict) else {}


def numbers(metrics: Mapping[str, Any]) -> Iterable[tuple[str, float]]:
    """Yields numbers: a metric is one, or, as SageMaker writes it, `{"value": ...}`."""
    for name, metric in metrics.items():
        value = metric.get("value") if isinstance(metric, dict) else metric
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield str(name)[:100], float(value)


def durations(steps: Iterable[PipelineExecutionStepTypeDef]) -> dict[str, float]:
    """Returns the seconds of each step that has begun and ended."""
    return {
        step["StepName"]: round((step["EndTime"] - step["StartTime"]).total_seconds(), 3)
        for step in steps
        if "StartTime" in step and "EndTime" in step
    }
