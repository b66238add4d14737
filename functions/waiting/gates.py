"""What the model in service was measured at, where a gate kept it: the gate itself tells only that it did."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from functions.aws import locations
from functions.aws.log import logger
from functions.aws.services import error_code
from functions.waiting.measurements import MAX_BYTES, numbers

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import PipelineExecutionStepTypeDef

    from functions.aws.services import Services

_GATE, _EVALUATION = "KeepDeployed", "EvaluateDeployed"


def kept(steps: Iterable[PipelineExecutionStepTypeDef], services: Services) -> str:
    """Returns ` The model in service: accuracy 0.9.` where a pipeline ended for its sake; else, and unread, ""."""
    by_name: dict[str, Mapping[str, Any]] = {step.get("StepName", ""): dict(step) for step in steps}
    gate, evaluation = by_name.get(_GATE, {}), by_name.get(_EVALUATION, {})
    arn = evaluation.get("Metadata", {}).get("ProcessingJob", {}).get("Arn")
    if gate.get("StepStatus") != "Failed" or not arn:
        return ""
    metrics = ", ".join(f"{name} {value:.6g}" for name, value in _metrics(arn.rsplit("/", 1)[-1], services))
    return f" The model in service: {metrics}." if metrics else ""


def _metrics(job: str, services: Services) -> list[tuple[str, float]]:
    """Reads evaluation.json where the job put it; a step that was not run again has its own earlier job's."""
    try:
        outputs = services.sagemaker.describe_processing_job(ProcessingJobName=job)["ProcessingOutputConfig"]["Outputs"]
        folder = next(each["S3Output"]["S3Uri"] for each in outputs if each["OutputName"] == "evaluation")
        bucket, key = locations.split_uri(f"{folder}/evaluation.json")
        text = services.s3.get_object(Bucket=bucket, Key=key)["Body"].read(MAX_BYTES)
        return list(numbers(json.loads(text)["metrics"]))
    except (ClientError, LookupError, StopIteration, AttributeError, TypeError, ValueError) as error:
        # What cannot be read costs its detail, not the record of the refusal.
        logger.warning("no metrics of an evaluation", extra={"job": job, "answer": error_code(error) or str(error)})
        return []
