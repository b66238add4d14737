"""The smoke test: a model that is about to serve, or has begun to, answers its package's sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, HTTPClientError

from functions.aws import locations
from functions.aws.services import error_message
from functions.jobs import jobs
from functions.jobs.errors import SmokeTestFailed
from functions.jobs.jobs import Progress
from functions.waiting import inference, served

if TYPE_CHECKING:
    from functions.aws.services import Services

MAX_SAMPLE = 4 * 1024 * 1024
"""Bytes: what a serverless endpoint takes; one that answers at once takes more.

https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints-invoke.html
"""


def check_candidate(plan: Mapping[str, Any], services: Services) -> None:
    """Raises SmokeTestFailed unless the candidate answers."""
    try:
        _ask(plan["candidate"]["endpoint"], plan["sample"], services)
    except SmokeTestFailed as error:
        stays = f"{plan['endpoint']} serves {plan['before']} as before" if plan["before"] else "nothing was changed"
        raise SmokeTestFailed(f"{error}; {stays}") from error


def check(job_id: str, plan: Mapping[str, Any], services: Services) -> None:
    """Writes down that the endpoint's config is good, once it answers the sample.

    An asynchronous endpoint is not asked again: its candidate was, and the answer would come to a bucket.

    Raises:
        SmokeTestFailed: the text says what came instead.
    """
    if plan.get("sample") and plan["rollout"]["mode"] != "async":
        _ask(plan["endpoint"], plan["sample"], services)
    served.note_good(services, plan["endpoint"], plan["endpoint_config"])
    jobs.note(services, job_id, Progress(done=frozenset({"Apply", "Check"})))


def _ask(endpoint: str, sample: Mapping[str, str], services: Services) -> None:
    bucket, key = locations.split_uri(sample["uri"])
    body = services.s3.get_object(Bucket=bucket, Key=key)["Body"].read(MAX_SAMPLE)
    try:
        response = services.waiting_runtime.invoke_endpoint(
            EndpointName=endpoint, ContentType=sample["content_type"], Body=body
        )
        prediction = response["Body"].read()
    except HTTPClientError as error:
        raise SmokeTestFailed(f"the model gave no answer to the sample {sample['uri']}: {error}") from error
    except ClientError as error:
        told = error.response.get("OriginalMessage") or error_message(error)
        status = error.response.get("OriginalStatusCode")
        answered = f"answered the sample {sample['uri']} with {status}" if status else "did not answer the sample"
        raise SmokeTestFailed(f"the model {answered}: {inference.reason(str(told))}") from error
    if not prediction:
        raise SmokeTestFailed(f"the model answered the sample {sample['uri']} with nothing")
