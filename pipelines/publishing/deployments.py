"""An algorithm that is deployed without training is handed to the state machine `training`, where the walk goes on."""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

from botocore.exceptions import ClientError

from pipelines.problems import PublishError
from pipelines.product import derived_job_id
from pipelines.publishing.changes import Action, Change, Kind, Step, nothing
from pipelines.publishing.publication import Publication, code_of

_DONE: Final = "SUCCEEDED"
_UNDER_WAY_OR_DONE: Final = frozenset({"RUNNING", _DONE, "PENDING_REDRIVE"})
_MAX_ATTEMPTS: Final = 100


def last_attempt(publication: Publication, first_job_id: str) -> tuple[str, str | None]:
    """Returns the job id to use and its status: a failed deployment (an image not pushed yet) is tried under a new id.

    An execution's name says which attempt at which definition and content it is, so it can never be given twice.
    """
    job_id = first_job_id
    for attempt in range(1, _MAX_ATTEMPTS):
        status = _execution_status(publication, job_id)
        if status is None or status in _UNDER_WAY_OR_DONE:
            return job_id, status
        job_id = derived_job_id(first_job_id, str(attempt))
    raise PublishError(f"the deployment failed {_MAX_ATTEMPTS - 1} times; the last try was job {job_id}")


def steps(publication: Publication, attempts: Mapping[str, tuple[str, str | None]]) -> Iterator[Step]:
    """Yields a step for each `last_attempt`, by algorithm: a start, unless this content is deployed or on its way."""
    for algorithm, (job_id, status) in attempts.items():
        if status is not None:
            yield nothing(Change(Kind.DEPLOYMENT, algorithm, Action.UNCHANGED, job_id=job_id, ended=status == _DONE))
            continue
        change = Change(Kind.DEPLOYMENT, algorithm, Action.START, f"job {job_id}", job_id=job_id)
        yield Step(change, partial(_start, publication, algorithm, job_id))


def _start(publication: Publication, algorithm: str, job_id: str) -> None:
    request: dict[str, object] = {
        "job_id": job_id,
        "algorithm": algorithm,
        "source": None,
        "hyperparameters": {},
        "reason": "publish",
    }
    try:
        publication.clients.stepfunctions.start_execution(
            stateMachineArn=publication.environment.training_state_machine_arn,
            name=job_id,
            input=json.dumps(request, separators=(",", ":")),
        )
    except ClientError as error:
        # Somebody else published the same at the same time: theirs is ours.
        if code_of(error) != "ExecutionAlreadyExists":
            raise


def _execution_status(publication: Publication, job_id: str) -> str | None:
    """Returns the status of the deployment's execution, or None when it was never started."""
    state_machine = publication.environment.training_state_machine_arn
    arn = f"{state_machine.replace(':stateMachine:', ':execution:')}:{job_id}"
    try:
        return publication.clients.stepfunctions.describe_execution(executionArn=arn)["status"]
    except ClientError as error:
        if code_of(error) != "ExecutionDoesNotExist":
            raise
        return None
