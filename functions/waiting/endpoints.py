"""Waiting until an endpoint serves the config a job deployed.

Jobs may deploy to one endpoint at the same time, and SageMaker refuses to change an endpoint that is changing. So
each job parks a wait that names its config, and whenever the endpoint comes to rest the oldest wait gets its turn.
An endpoint that failed can only be deleted, which takes its time; the oldest wait then creates it anew. One whose mode
changes, asynchronous from not or back, which no update does, goes the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from functions.aws import times
from functions.aws.log import logger
from functions.aws.services import error_code, error_message
from functions.jobs import jobs
from functions.waiting import served, waits, withdrawals
from functions.waiting.rollouts import AT_ONCE, Rollout
from functions.waiting.served import Target
from functions.waiting.states import EndpointState
from functions.waiting.waits import Failed, Resolution, Role, Succeeded, Wait, WaitKind
from functions.waiting.withdrawals import NotYet, Remove, Restore, Withdrawn

if TYPE_CHECKING:
    from functions.aws.services import Services

MAX_ATTEMPTS = 2
"""CreateEndpoint and UpdateEndpoint calls on behalf of one wait. SageMaker rolls a bad update back to the old config;
without a limit that would be tried for ever."""

_BROKEN = {"Failed", "OutOfService", "UpdateRollbackFailed"}


_DEPLOYING = timedelta(minutes=3)
"""As long as a deployment may go on that looked at its job before that was stopped: more than its function's time."""


@dataclass(frozen=True, slots=True)
class Update:
    """The endpoint is at rest with another config and this wait is the first in line."""

    state: EndpointState


@dataclass(frozen=True, slots=True)
class Create:
    """There is no endpoint (any more) and this wait is the first in line."""


@dataclass(frozen=True, slots=True)
class Replace:
    """The endpoint failed with the config of another job, or is of another mode, and this wait is the first in line."""


@dataclass(frozen=True, slots=True)
class KeepWaiting: ...


def describe(services: Services, endpoint: str) -> EndpointState | None:
    """Returns the endpoint as it is now; None if there is no such endpoint."""
    try:
        response = services.sagemaker.describe_endpoint(EndpointName=endpoint)
    except ClientError as error:
        if error_code(error) in {"ValidationException", "ResourceNotFound"} and is_missing(error):
            return None
        raise
    return EndpointState(
        name=endpoint,
        status=response["EndpointStatus"],
        # Absent from the answer while the very first config is still being set up.
        config=response.get("EndpointConfigName", ""),
        failure_reason=response.get("FailureReason", ""),
        asynchronous="AsyncInferenceConfig" in response,
    )


def is_missing(error: ClientError) -> bool:
    """Tells whether SageMaker says there is no such endpoint (it has no error code of its own for that)."""
    message = error_message(error).lower()
    return "could not find" in message or "not found" in message


def is_busy(error: ClientError) -> bool:
    """Tells whether SageMaker refuses because the endpoint is changing already."""
    message = error_message(error).lower()
    return error_code(error) in {"ValidationException", "ResourceInUse"} and (
        "in-progress" in message or "in progress" in message
    )


def update(services: Services, state: EndpointState, config: str, rollout: Rollout) -> bool:
    """UpdateEndpoint; False if the endpoint turned out to be changing already."""
    request: dict[str, Any] = {"DeploymentConfig": dict(rollout.policy)} if rollout.policy else {}
    if _keeps_its_instances(services, state.config, config):
        request["RetainAllVariantProperties"] = True
    try:
        services.sagemaker.update_endpoint(EndpointName=state.name, EndpointConfigName=config, **request)
    except ClientError as error:
        if is_busy(error):
            return False
        raise
    return True


def _keeps_its_instances(services: Services, old: str, new: str) -> bool:
    """Tells whether both configs ask for as many instances: then an endpoint that was scaled since stays as it is.

    Where they differ somebody changed `deploy.count`, and that is what counts. UpdateEndpoint by itself would set every
    endpoint back to its config's count.
    """
    counts = [_count(services, config) for config in (old, new) if config]
    return len(counts) == 2 and None not in counts and counts[0] == counts[1]


def _count(services: Services, config: str) -> int | None:
    """Returns the instances that a config asks for; None for a serverless one, and for one that is gone."""
    try:
        response = services.sagemaker.describe_endpoint_config(EndpointConfigName=config)
    except ClientError as error:
        if is_missing(error):
            return None
        raise
    return response["ProductionVariants"][0].get("InitialInstanceCount")


def create(services: Services, endpoint: str, config: str) -> bool:
    """CreateEndpoint; False if there turned out to be one: another job was faster, or the old one is not gone yet."""
    try:
        services.sagemaker.create_endpoint(EndpointName=endpoint, EndpointConfigName=config)
    except ClientError as error:
        if exists_already(error):
            return False
        raise
    return True


def exists_already(error: ClientError) -> bool:
    """Tells whether SageMaker refuses to create because something of that name is there."""
    return error_code(error) in {"ValidationException", "ResourceInUse"} and "already exist" in error_message(error)


def delete(services: Services, endpoint: str) -> None:
    """DeleteEndpoint, which goes on after this returns; nothing if the endpoint is gone or changing already."""
    try:
        services.sagemaker.delete_endpoint(EndpointName=endpoint)
    except ClientError as error:
        if not (is_busy(error) or is_missing(error)):
            raise


def decide(
    state: EndpointState | None, wait: Wait, *, first: bool
) -> Resolution | Update | Create | Replace | KeepWaiting:
    """Returns what an endpoint in `state` means for one wait; `first` if no older wait for this endpoint is left."""
    # A shift that was watched and taken back is not tried again on live traffic.
    may_try = wait.attempts < (1 if wait.rollout.policy else MAX_ATTEMPTS)
    if state is None:
        if not may_try:
            return Failed("EndpointNotFound", f"the endpoint {wait.endpoint} does not exist")
        return Create() if first else KeepWaiting()
    if state.status == "Failed" and state.config not in {"", wait.endpoint_config} and may_try:
        return Replace() if first else KeepWaiting()
    if state.status in _BROKEN:
        reason = state.failure_reason or "SageMaker gives no reason"
        return Failed("EndpointFailed", f"the endpoint {state.name} is {state.status}: {reason}")
    if not state.at_rest:
        return KeepWaiting()
    if state.config == wait.endpoint_config:
        return Succeeded({"endpoint": state.name, "endpoint_config": state.config, "status": state.status})
    if not may_try:
        return Failed("EndpointRolledBack", _rolled_back(state, wait))
    if not first:
        return KeepWaiting()
    return Replace() if is_of_another_mode(state, wait.rollout.mode) else Update(state)


def is_of_another_mode(state: EndpointState, mode: str) -> bool:
    """Tells whether an update is refused: UpdateEndpoint neither adds nor removes an AsyncInferenceConfig.

    https://github.com/aws/sagemaker-python-sdk/pull/3124
    """
    return bool(mode) and state.asynchronous != (mode == "async")


def _rolled_back(state: EndpointState, wait: Wait) -> str:
    reason = state.failure_reason or "SageMaker gives no reason"
    return f"the endpoint {state.name} went back to its earlier model instead of {wait.endpoint_config}: {reason}"


def settle(services: Services, endpoint: str, just_parked: Wait | None = None) -> int:
    """Re-evaluates every wait for `endpoint` against its present state; returns how many were resolved.

    What counts is DescribeEndpoint, not the event that led here: events come twice, late, or not at all.
    """
    queue = _queue(services, endpoint, just_parked)
    state = describe(services, endpoint) if queue else None
    resolved = 0
    first = True
    for wait in queue:
        if wait.kind is WaitKind.STOP:
            state, ended = _withdraw(services, state, wait)
            resolved += ended
            continue
        match _decide_and_change(services, state, wait, first=first):
            case Succeeded() | Failed() as resolution:
                if isinstance(resolution, Succeeded) and wait.role is Role.TRAINING:
                    # First, so that a crash here repeats both.
                    served.note_good(services, endpoint, wait.endpoint_config or "")
                waits.resolve(services, wait, resolution)
                resolved += 1
            case _:
                first = False
    return resolved


def _withdraw(services: Services, state: EndpointState | None, wait: Wait) -> tuple[EndpointState | None, bool]:
    """Takes back what a stopped job deployed, when its endpoint can be changed.

    Returns the endpoint as it is afterwards, and whether that was the end of it.
    """
    endpoint = wait.endpoint or ""
    young = services.now() - times.parse(wait.created.split("#")[0]) < _DEPLOYING
    match withdrawals.decide(state, wait, young=young):
        case Withdrawn():
            waits.forget(services, wait)
            return state, True
        case NotYet():
            return state, False
        case Restore() | Remove() as change:
            # Counted first, conditionally: of two events only one makes it.
            if state is not None and waits.count_attempt(services, wait, wait.attempts, wait.attempts + 1):
                _change_back(services, state, wait, change)
            return describe(services, endpoint), False


def _change_back(services: Services, state: EndpointState, wait: Wait, change: Restore | Remove) -> None:
    try:
        match change:
            case Restore():
                # At once: what is brought back served before.
                update(services, state, wait.before or "", AT_ONCE)
            case Remove():
                delete(services, state.name)
    except ClientError as error:
        if error_code(error) not in {"ValidationException", "ResourceLimitExceeded"}:
            raise
        logger.warning("a stopped deployment cannot be taken back", extra={"answer": error_message(error)})


def _queue(services: Services, endpoint: str, just_parked: Wait | None) -> list[Wait]:
    """Waits by age. The index may not show a row written a moment ago, so that one is brought along."""
    queue = {wait.wait_id: wait for wait in waits.of_endpoint(services, endpoint)}
    if just_parked is not None:
        queue[just_parked.wait_id] = just_parked
    return sorted(queue.values(), key=lambda wait: wait.created)


def _decide_and_change(
    services: Services, state: EndpointState | None, wait: Wait, *, first: bool
) -> Resolution | KeepWaiting:
    decision = decide(state, wait, first=first)
    if isinstance(decision, Update | Create | Replace) and wait.role.gives_way:
        newest = served.newest(services, wait.endpoint or "")
        if newest is not None and newest.job_id != wait.job_id:
            return Failed("Superseded", superseded(newest))
    match decision:
        case Update(state=resting):
            _note_before(services, wait, resting.config)
            return _take_turn(services, wait, lambda config: update(services, resting, config, wait.rollout), "updated")
        case Create():
            _note_before(services, wait, "")
            endpoint = wait.endpoint or ""
            return _take_turn(services, wait, lambda config: create(services, endpoint, config), "created")
        case Replace():
            # Whoever asks next finds it Deleting or gone. SageMaker promises no event for the latter: the sweep asks.
            delete(services, wait.endpoint or "")
            return KeepWaiting()
        case resolution:
            return resolution


def _note_before(services: Services, wait: Wait, before: str) -> None:
    """Writes down what is served now: what a stop would bring back. A candidate is no endpoint of the job's."""
    if wait.role is not Role.CANDIDATE:
        jobs.deploying(services, wait.job_id, wait.endpoint_config or "", before)


def superseded(newest: Target) -> str:
    """Returns why a deployment changes nothing any more."""
    return f"a newer deployment, job {newest.job_id}, was asked for at {newest.since}"


def _take_turn(services: Services, wait: Wait, change: Callable[[str], bool], done: str) -> Resolution | KeepWaiting:
    """Applies the wait's config. The attempt is counted first, conditionally: of two events only one makes it."""
    attempt = wait.attempts + 1
    if not waits.count_attempt(services, wait, wait.attempts, attempt):
        return KeepWaiting()
    try:
        if not change(wait.endpoint_config or ""):
            waits.count_attempt(services, wait, attempt, wait.attempts)
    except ClientError as error:
        if error_code(error) not in {"ValidationException", "ResourceLimitExceeded"}:
            raise
        return Failed("EndpointFailed", f"the endpoint {wait.endpoint} cannot be {done}: {error_message(error)}")
    return KeepWaiting()
