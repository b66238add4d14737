"""Compiled pipelines -> AWS: sources, pipelines, the algorithms table, SSM parameters. A second time changes nothing.

Uploads come first and carry their content's hash, so whatever is published later always finds what it refers to. An
algorithm that is deployed without training is handed to the state machine `training`, where the walk goes on.
"""

import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from pipelines.catalogue import Algorithm
from pipelines.compile import Progress
from pipelines.compiled import CompiledPipeline, derived_job_id
from pipelines.environment import Environment
from pipelines.problems import PublishError
from pipelines.schedules import delete_schedule, put_schedule
from pipelines.sources import Upload
from pipelines.staging import image_parameters

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_scheduler import EventBridgeSchedulerClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_stepfunctions import SFNClient

_NOT_FOUND: Final = frozenset({"404", "NoSuchKey", "NotFound", "ResourceNotFound", "ParameterNotFound"})
_UNDER_WAY_OR_DONE: Final = frozenset({"RUNNING", "SUCCEEDED", "PENDING_REDRIVE"})
_MAX_ATTEMPTS: Final = 100
_SSM_BATCH: Final = 10
"""GetParameters takes no more names at once."""


class Action(StrEnum):
    """What was done about one thing."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    STARTED = "started"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that was looked at: kind `source`, `pipeline`, `algorithm`, `schedule`, `parameter` or `deployment`."""

    kind: str
    name: str
    action: Action
    job_id: str | None = None
    """Of a deployment: the job that does it."""


@dataclass(frozen=True, slots=True)
class PublishReport:
    """Everything that was looked at, in order."""

    changes: tuple[Change, ...]

    @property
    def changed(self) -> tuple[Change, ...]:
        """What is different now."""
        return tuple(change for change in self.changes if change.action is not Action.UNCHANGED)


@dataclass(frozen=True, slots=True)
class Clients:
    """The boto3 clients that publishing needs."""

    s3: "S3Client"
    sagemaker: "SageMakerClient"
    dynamodb: "DynamoDBClient"
    ssm: "SSMClient"
    stepfunctions: "SFNClient"
    scheduler: "EventBridgeSchedulerClient"


@dataclass(frozen=True, slots=True)
class _Publication:
    environment: Environment
    clients: Clients
    now: datetime


def publish(
    pipelines: Sequence[CompiledPipeline],
    environment: Environment,
    clients: Clients,
    now: datetime,
    progress: Progress,
) -> PublishReport:
    """Bring AWS in line with the compiled pipelines; `now` is aware. Raises PublishError at the first refusal."""
    publication = _Publication(environment, clients, now)
    changes: list[Change] = []
    try:
        for change in _changes(publication, pipelines):
            changes.append(change)
            if change.action is not Action.UNCHANGED:
                progress(f"{change.kind} {change.name} {change.action}")
    except ClientError as error:
        said = error.response.get("Error", {})
        what = f"{error.operation_name}: {said.get('Code', 'error')}: {said.get('Message', '')}"
        raise PublishError(f"{what} (after {len(changes)} of the changes)") from error
    return PublishReport(tuple(changes))


def read_image_values(algorithms: Sequence[Algorithm], ssm: "SSMClient") -> dict[str, str]:
    """The values of the SSM parameters that images name; names without a value are left out."""
    names = list(dict.fromkeys(name for algorithm in algorithms for name in image_parameters(algorithm)))
    return _parameter_values(ssm, names)


def _changes(publication: _Publication, pipelines: Sequence[CompiledPipeline]) -> Iterator[Change]:
    for pipeline in pipelines:
        for upload in pipeline.uploads:
            yield _upload(publication, upload)
    for pipeline in pipelines:
        yield _pipeline(publication, pipeline)
        yield _algorithm(publication, pipeline)
        yield from _schedule(publication, pipeline)
    yield from _parameters(publication, pipelines)
    for pipeline in pipelines:
        if pipeline.deployment_job_id is not None:
            yield _deployment(publication, pipeline.name, pipeline.deployment_job_id)


def _upload(publication: _Publication, upload: Upload) -> Change:
    s3, bucket = publication.clients.s3, publication.environment.artifacts_bucket
    try:
        s3.head_object(Bucket=bucket, Key=upload.key)
    except ClientError as error:
        if not _missing(error):
            raise
    else:
        return Change("source", upload.key, Action.UNCHANGED)
    try:
        body = upload.body()
    except OSError as error:
        raise PublishError(f"{upload.path}: expected a readable file, found {error.strerror}") from error
    s3.put_object(Bucket=bucket, Key=upload.key, Body=body)
    return Change("source", upload.key, Action.CREATED)


def _pipeline(publication: _Publication, pipeline: CompiledPipeline) -> Change:
    sagemaker, role = publication.clients.sagemaker, publication.environment.sagemaker_role_arn
    name, definition = pipeline.pipeline_name, pipeline.definition
    try:
        current = sagemaker.describe_pipeline(PipelineName=name)
    except ClientError as error:
        if not _missing(error):
            raise
        token = str(uuid.uuid4())
        sagemaker.create_pipeline(
            PipelineName=name, PipelineDefinition=definition, RoleArn=role, ClientRequestToken=token
        )
        return Change("pipeline", name, Action.CREATED)
    if current.get("PipelineDefinition") == definition and current.get("RoleArn") == role:
        return Change("pipeline", name, Action.UNCHANGED)
    sagemaker.update_pipeline(PipelineName=name, PipelineDefinition=definition, RoleArn=role)
    return Change("pipeline", name, Action.UPDATED)


def _algorithm(publication: _Publication, pipeline: CompiledPipeline) -> Change:
    dynamodb, table = publication.clients.dynamodb, publication.environment.algorithms_table
    found = dynamodb.get_item(TableName=table, Key={"name": {"S": pipeline.name}}, ConsistentRead=True)
    current = found.get("Item", {}).get("spec", {}).get("S")
    if current == pipeline.published:
        return Change("algorithm", pipeline.name, Action.UNCHANGED)
    dynamodb.put_item(
        TableName=table,
        Item={
            "name": {"S": pipeline.name},
            "spec": {"S": pipeline.published},
            "published_at": {"S": _timestamp(publication.now)},
        },
    )
    return Change("algorithm", pipeline.name, Action.CREATED if current is None else Action.UPDATED)


def _schedule(publication: _Publication, pipeline: CompiledPipeline) -> Iterator[Change]:
    """The algorithm's retraining schedule; nothing is said of an algorithm that never had one."""
    scheduler, environment = publication.clients.scheduler, publication.environment
    if pipeline.retrain_schedule is None:
        if delete_schedule(scheduler, environment, pipeline.name):
            yield Change("schedule", pipeline.name, Action.DELETED)
        return
    put = put_schedule(scheduler, environment, pipeline.name, pipeline.retrain_schedule)
    yield Change("schedule", pipeline.name, Action(put))


def _parameters(publication: _Publication, pipelines: Sequence[CompiledPipeline]) -> Iterator[Change]:
    name_of = publication.environment.parameter_name
    wanted = {name_of(item.name, leaf): value for item in pipelines for leaf, value in item.parameters}
    current = _parameter_values(publication.clients.ssm, list(wanted))
    for name, value in wanted.items():
        if current.get(name) == value:
            yield Change("parameter", name, Action.UNCHANGED)
            continue
        publication.clients.ssm.put_parameter(Name=name, Value=value, Type="String", Overwrite=True)
        yield Change("parameter", name, Action.UPDATED if name in current else Action.CREATED)


def _deployment(publication: _Publication, algorithm: str, first_job_id: str) -> Change:
    """Start the deployment, unless this very definition and content is deployed or on its way."""
    job_id, status = _last_attempt(publication, first_job_id)
    if status in _UNDER_WAY_OR_DONE:
        return Change("deployment", algorithm, Action.UNCHANGED, job_id)
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
        if error.response.get("Error", {}).get("Code") != "ExecutionAlreadyExists":
            raise
        return Change("deployment", algorithm, Action.UNCHANGED, job_id)
    return Change("deployment", algorithm, Action.STARTED, job_id)


def _last_attempt(publication: _Publication, first_job_id: str) -> tuple[str, str | None]:
    """The job id to use and what became of it: a failed deployment (an image not pushed yet) is tried under a new id.

    An execution's name says which attempt at which definition and content it is, so it can never be given twice.
    """
    job_id = first_job_id
    for attempt in range(1, _MAX_ATTEMPTS):
        status = _execution_status(publication, job_id)
        if status is None or status in _UNDER_WAY_OR_DONE:
            return job_id, status
        job_id = derived_job_id(first_job_id, str(attempt))
    raise PublishError(f"the deployment failed {_MAX_ATTEMPTS - 1} times; the last try was job {job_id}")


def _execution_status(publication: _Publication, job_id: str) -> str | None:
    """The status of the deployment's execution, or None when it was never started."""
    state_machine = publication.environment.training_state_machine_arn
    arn = f"{state_machine.replace(':stateMachine:', ':execution:')}:{job_id}"
    try:
        return publication.clients.stepfunctions.describe_execution(executionArn=arn)["status"]
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "ExecutionDoesNotExist":
            raise
        return None


def _parameter_values(ssm: "SSMClient", names: list[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for start in range(0, len(names), _SSM_BATCH):
        answer = ssm.get_parameters(Names=names[start : start + _SSM_BATCH])
        values.update({item["Name"]: item["Value"] for item in answer["Parameters"]})
    return values


def _missing(error: ClientError) -> bool:
    said = error.response.get("Error", {})
    # Emulators answer DescribePipeline with a ValidationException for a pipeline that is not there.
    unknown = said.get("Code") == "ValidationException" and "not" in said.get("Message", "")
    return said.get("Code") in _NOT_FOUND or unknown


def _timestamp(now: datetime) -> str:
    return now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
