"""Retry policies of a step: which failures are tried again, after how long, how often. Pure.

Source: "Retry Policy for Pipeline Steps" in the developer guide.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

from local.documents import Json

_MAX_INTERVAL, _MAX_ATTEMPTS, _MAX_EXPIRE_MINUTES = 43_200, 20, 14_400
_DEFAULT_ATTEMPTS = 5


class Failure(StrEnum):
    """The exception types that a policy may name."""

    SERVICE_FAULT = "Step.SERVICE_FAULT"
    THROTTLING = "Step.THROTTLING"
    JOB_INTERNAL_ERROR = "SageMaker.JOB_INTERNAL_ERROR"
    CAPACITY_ERROR = "SageMaker.CAPACITY_ERROR"
    RESOURCE_LIMIT = "SageMaker.RESOURCE_LIMIT"


_OF_CODE: Mapping[str, Failure] = {
    "ResourceLimitExceeded": Failure.RESOURCE_LIMIT,
    "ThrottlingException": Failure.THROTTLING,
    "Throttling": Failure.THROTTLING,
    "InternalFailure": Failure.SERVICE_FAULT,
    "ServiceUnavailable": Failure.SERVICE_FAULT,
}
_OF_REASON: Mapping[str, Failure] = {
    "InternalServerError": Failure.JOB_INTERNAL_ERROR,
    "CapacityError": Failure.CAPACITY_ERROR,
    "InsufficientCapacityError": Failure.CAPACITY_ERROR,
    "ResourceLimitExceeded": Failure.RESOURCE_LIMIT,
}


def of_code(code: str) -> Failure | None:
    """Returns what an error answer of a service counts as."""
    return _OF_CODE.get(code)


def of_reason(reason: str) -> Failure | None:
    """Returns what the FailureReason of a job counts as."""
    return _OF_REASON.get(reason.removeprefix("ClientError: ").split(":", 1)[0].strip())


def pause(
    policies: Sequence[Mapping[str, Json]], failure: Failure | None, attempt: int, elapsed: float
) -> float | None:
    """Returns the seconds to wait before the next attempt; None: it stays failed.

    `attempt` is the one that failed, from 1; `elapsed` the seconds since the first began.
    """
    policy = next((policy for policy in policies if failure in policy["ExceptionType"]), None)
    if policy is None:
        return None
    expire = policy.get("ExpireAfterMin")
    most = policy.get("MaxAttempts", _DEFAULT_ATTEMPTS if expire is None else None)
    try:
        wait = min(policy.get("IntervalSeconds", 1) * policy.get("BackoffRate", 2.0) ** (attempt - 1), _MAX_INTERVAL)
    except OverflowError:
        wait = _MAX_INTERVAL
    # MaxAttempts counts the retries, not the first try.
    if (most is not None and attempt > most) or (expire is not None and elapsed + wait > expire * 60):
        return None
    return float(wait)


def problems(policies: Json) -> Iterator[str]:
    """Yields what is wrong with a step's RetryPolicies."""
    if not isinstance(policies, list) or not all(isinstance(policy, dict) for policy in policies):
        yield "RetryPolicies is no list of objects"
        return
    seen: set[str] = set()
    for policy in policies:
        kinds = policy.get("ExceptionType")
        if not isinstance(kinds, list) or not kinds or not all(kind in set(Failure) for kind in kinds):
            yield f"RetryPolicies: ExceptionType must be a list of {', '.join(Failure)}"
            continue
        for twice in sorted(seen & set(kinds)):
            yield f"RetryPolicies: {twice} stands in more than one policy"
        seen |= set(kinds)
        yield from _ranges(policy)


def _ranges(policy: Mapping[str, Json]) -> Iterator[str]:
    bounds = (
        ("IntervalSeconds", 0, _MAX_INTERVAL), ("BackoffRate", 0, float("inf")), ("MaxAttempts", 1, _MAX_ATTEMPTS),
        ("ExpireAfterMin", 1, _MAX_EXPIRE_MINUTES),
    )  # fmt: skip
    for name, low, high in bounds:
        value = policy.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            yield f"RetryPolicies: {name} must be from {low} to {high}, and is {value!r}"
    if policy.get("MaxAttempts") is not None and policy.get("ExpireAfterMin") is not None:
        yield "RetryPolicies: give one of MaxAttempts and ExpireAfterMin"
