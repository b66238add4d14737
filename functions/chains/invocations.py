"""Asking a model and waiting for its JSON: one InvokeEndpoint, with every refusal in words that name the algorithm."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, HTTPClientError

from functions.aws.services import error_code, error_message
from functions.chains.chains import Member
from functions.jobs.errors import AnswerInvalid, EndpointNotFound, EndpointNotReady, JobError, ModelFailed
from functions.waiting import endpoints, inference

if TYPE_CHECKING:
    from functions.aws.services import Services

MAX_REQUEST = 4 * 1024 * 1024
"""Bytes. A serverless endpoint takes and gives 4 MB, a real-time one 6 MB; a chain may have either.

https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints-invoke.html
https://docs.aws.amazon.com/sagemaker/latest/dg/hosting-faqs.html
"""

MAX_ANSWER = 6 * 1024 * 1024
"""Bytes; see above."""

_SERVING = {"InService", "Updating", "SystemUpdating", "RollingBack"}
"""States in which an endpoint answers, be it with the model of before."""


def check(member: Member, services: Services) -> None:
    """Raises EndpointNotFound or EndpointNotReady, before any work, when nobody would answer."""
    state = endpoints.describe(services, member.endpoint)
    if state is None:
        raise _not_deployed(member)
    if state.status not in _SERVING:
        raise EndpointNotReady(
            f"the endpoint {member.endpoint} of {member.algorithm} is {state.status}; try again when it is InService"
        )


def ask(member: Member, body: bytes, content_type: str, services: Services) -> Any:
    """Returns what the endpoint answers, as parsed JSON.

    Raises:
        EndpointNotFound, EndpointNotReady: it is not there, or cannot answer now.
        ModelFailed: the model answered with an error.
        AnswerInvalid: its answer is too large or no JSON.
    """
    try:
        response = services.waiting_runtime.invoke_endpoint(
            EndpointName=member.endpoint, ContentType=content_type, Accept="application/json", Body=body
        )
        text = response["Body"].read(MAX_ANSWER + 1)
    except HTTPClientError as error:
        raise EndpointNotReady(
            f"the endpoint {member.endpoint} of {member.algorithm} gave no answer: {error}"
        ) from error
    except ClientError as error:
        explained = _explained(member, error, services)
        if explained is None:
            raise
        raise explained from error
    if len(text) > MAX_ANSWER:
        raise AnswerInvalid(f"{member.algorithm} answered more than {MAX_ANSWER // 2**20} MiB")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AnswerInvalid(f"{member.algorithm} answered something that is no JSON: {_shown(text)}") from error


def _explained(member: Member, error: ClientError, services: Services) -> JobError | None:
    """Returns the error in words; None for one that says enough itself."""
    match error_code(error):
        case "ModelError":
            told = error.response.get("OriginalMessage") or error_message(error)
            return ModelFailed(f"{member.algorithm} failed: {inference.reason(str(told))}")
        case "ValidationError" | "ValidationException":
            # The runtime says only that, whatever is wrong with the endpoint.
            try:
                check(member, services)
            except (EndpointNotFound, EndpointNotReady) as refusal:
                return refusal
            return EndpointNotReady(f"the endpoint {member.endpoint} refused the request: {error_message(error)}")
        case _:
            return None


def _not_deployed(member: Member) -> EndpointNotFound:
    return EndpointNotFound(
        f"{member.algorithm} is not deployed: there is no endpoint {member.endpoint}; train or publish it first"
    )


def _shown(text: bytes) -> str:
    return repr(text[:60].decode(errors="replace"))
