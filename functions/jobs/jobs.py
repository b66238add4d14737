"""The tracked job: one row from upload to result. Moves between statuses are guarded by conditional writes.

PENDING (the API gave an upload URL) -> INPROGRESS (an execution claimed it) -> SUCCESS or FAILURE, which are final.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from functions.aws import items, times
from functions.aws.services import error_code
from functions.uploads.events import Source

if TYPE_CHECKING:
    from functions.aws.services import Services


class Status(StrEnum):
    PENDING = "PENDING"
    INPROGRESS = "INPROGRESS"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"

    @property
    def final(self) -> bool:
        return not MOVES[self]


MOVES: Mapping[Status, frozenset[Status]] = {
    Status.PENDING: frozenset({Status.INPROGRESS, Status.FAILURE}),
    Status.INPROGRESS: frozenset({Status.SUCCESS, Status.FAILURE}),
    Status.SUCCESS: frozenset(),
    Status.FAILURE: frozenset(),
}


class Kind(StrEnum):
    TRAINING = "training"
    FACE = "face"
    CHAIN = "chain"
    BATCH = "batch"
    DEPLOYMENT = "deployment"


LINKS = ("execution", "pipeline_execution", "training_job", "model_package", "endpoint")


@dataclass(frozen=True, slots=True)
class Job:
    """A row of the jobs table."""

    job_id: str
    kind: Kind
    status: Status
    algorithm: str | None
    source: Source | None
    created_at: str
    updated_at: str
    step: str | None = None
    steps: list[str] = field(default_factory=list)
    done_steps: frozenset[str] = frozenset()
    links: dict[str, str] = field(default_factory=dict)
    endpoint_config: str | None = None
    results: list[dict[str, Any]] = field(default_factory=list)
    error: dict[str, str] | None = None
    etag: str | None = None
    """Of the source, so that an upload without a version id is recognised again."""
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    """What the upload was announced with."""

    @property
    def created(self) -> str:
        """Sort key of the indexes: time first, id to make it unique."""
        return f"{self.created_at}#{self.job_id}"

    @property
    def object(self) -> str | None:
        return self.source.object if self.source else None

    @property
    def steps_done(self) -> int:
        return len(self.steps) if self.status is Status.SUCCESS else len(self.done_steps & set(self.steps))


def new(
    job_id: str,
    kind: Kind,
    status: Status,
    now: str,
    *,
    algorithm: str | None = None,
    source: Source | None = None,
    steps: list[str] | None = None,
    execution: str | None = None,
    etag: str | None = None,
    error: dict[str, str] | None = None,
    hyperparameters: Mapping[str, Any] | None = None,
) -> Job:
    """A job that begins now (`now` as `times.iso` writes it)."""
    links = {"execution": execution} if execution else {}
    return Job(
        job_id,
        kind,
        status,
        algorithm,
        source,
        now,
        now,
        steps=steps or [],
        links=links,
        etag=etag,
        error=error,
        hyperparameters=hyperparameters or {},
    )


def to_item(job: Job) -> dict[str, Any]:
    """The row. An attribute that keys an index is left out rather than null: DynamoDB refuses null keys."""
    values: dict[str, items.Value] = {
        "job_id": job.job_id,
        "kind": job.kind.value,
        "status": job.status.value,
        "algorithm": job.algorithm,
        "step": job.step,
        "steps": list(job.steps),
        "done_steps": job.done_steps,
        "links": dict(job.links),
        "results": list(job.results),
        "error": dict(job.error) if job.error else None,
        "source": dict(job.source.as_dict()) if job.source else None,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "created": job.created,
    }
    optional = {"object": job.object, "endpoint_config": job.endpoint_config, "etag": job.etag}
    if job.hyperparameters:
        # As text: DynamoDB would give 2 back for 2.0.
        optional["hyperparameters"] = json.dumps(dict(job.hyperparameters))
    return items.to_item(values | {name: value for name, value in optional.items() if value})


def from_item(item: Mapping[str, Any]) -> Job:
    values = items.from_item(item)
    source = values.get("source")
    return Job(
        job_id=values["job_id"],
        kind=Kind(values["kind"]),
        status=Status(values["status"]),
        algorithm=values.get("algorithm"),
        source=Source(**source) if source else None,
        created_at=values["created_at"],
        updated_at=values["updated_at"],
        step=values.get("step"),
        steps=values.get("steps") or [],
        done_steps=values.get("done_steps") or frozenset(),
        links={name: value for name, value in (values.get("links") or {}).items() if value},
        endpoint_config=values.get("endpoint_config"),
        results=values.get("results") or [],
        error=values.get("error"),
        etag=values.get("etag"),
        hyperparameters=json.loads(values.get("hyperparameters") or "{}"),
    )


def get(services: Services, job_id: str) -> Job | None:
    """The job as it is now (consistent read)."""
    answer = services.dynamodb.get_item(
        TableName=services.settings.jobs_table, Key={"job_id": {"S": job_id}}, ConsistentRead=True
    )
    item = answer.get("Item")
    return from_item(item) if item else None


def create(services: Services, job: Job) -> Job | None:
    """Writes the row if there is none of that id; otherwise returns the row that is there."""
    try:
        services.dynamodb.put_item(
            TableName=services.settings.jobs_table,
            Item=to_item(job),
            ConditionExpression="attribute_not_exists(job_id)",
        )
    except ClientError as error:
        if error_code(error) != "ConditionalCheckFailedException":
            raise
        # Rows are never deleted, so the one that stood in the way is still there.
        return get(services, job.job_id)
    return None


def begin(services: Services, job_id: str, execution: str, steps: list[str], source: Source | None, etag: str) -> bool:
    """PENDING -> INPROGRESS for `execution`; True also when it was this very execution that moved it before.

    The API wrote the row before there was an object, so its version and ETag ("" if unknown) are written here.
    """
    sets = ["#status = :to", "links.#execution = :execution", "steps = :steps", "updated_at = :now"]
    values: dict[str, items.Value] = {
        ":to": Status.INPROGRESS,
        ":from": Status.PENDING,
        ":execution": execution,
        ":steps": list(steps),
    }
    if source:
        sets.append("#source = :source")
        values[":source"] = dict(source.as_dict())
    if etag:
        sets.append("etag = :etag")
        values[":etag"] = etag
    return _update(
        services,
        job_id,
        "SET " + ", ".join(sets),
        "attribute_exists(job_id) AND (#status = :from OR (#status = :to AND links.#execution = :execution))",
        values,
        {"#status": "status", "#execution": "execution"} | ({"#source": "source"} if source else {}),
    )


def fail(services: Services, job_id: str, execution: str, error: dict[str, str]) -> bool:
    """PENDING or INPROGRESS -> FAILURE, unless the job belongs to another execution. False when nothing was moved."""
    return _update(
        services,
        job_id,
        "SET #status = :failure, #error = :error, links.#execution = :execution, updated_at = :now REMOVE step",
        "#status IN (:pending, :inprogress)"
        " AND (attribute_not_exists(links.#execution) OR links.#execution = :execution)",
        {
            ":failure": Status.FAILURE,
            ":pending": Status.PENDING,
            ":inprogress": Status.INPROGRESS,
            ":execution": execution,
            ":error": dict(error),
        },
        {"#status": "status", "#execution": "execution", "#error": "error"},
    )


def note(
    services: Services,
    job_id: str,
    *,
    links: Mapping[str, str | None] | None = None,
    step: str | None = None,
    done: frozenset[str] = frozenset(),
    endpoint_config: str | None = None,
    results: list[dict[str, Any]] | None = None,
) -> bool:
    """Adds what is known of a job's progress. Writing the same twice changes nothing; False if there is no such job."""
    sets = ["updated_at = :now"]
    values: dict[str, items.Value] = {}
    names: dict[str, str] = {}
    for name, value in (links or {}).items():
        if value:
            sets.append(f"links.#{name} = :{name}")
            names[f"#{name}"], values[f":{name}"] = name, value
    for name, new_value in (("step", step), ("endpoint_config", endpoint_config), ("results", results)):
        if new_value is not None:
            sets.append(f"#{name} = :{name}")
            names[f"#{name}"], values[f":{name}"] = name, new_value
    expression = "SET " + ", ".join(sets)
    if done:
        expression += " ADD done_steps :done"
        values[":done"] = done
    return _update(services, job_id, expression, "attribute_exists(job_id)", values, names)


def _update(
    services: Services,
    job_id: str,
    expression: str,
    condition: str,
    values: Mapping[str, items.Value],
    names: Mapping[str, str],
) -> bool:
    stamped = {**values, ":now": times.iso(services.now())}
    request: dict[str, Any] = {"ExpressionAttributeNames": dict(names)} if names else {}
    try:
        services.dynamodb.update_item(
            TableName=services.settings.jobs_table,
            Key={"job_id": {"S": job_id}},
            UpdateExpression=expression,
            ConditionExpression=condition,
            ExpressionAttributeValues=items.to_item(stamped),
            **request,
        )
    except ClientError as error:
        if error_code(error) != "ConditionalCheckFailedException":
            raise
        return False
    return True


def of_object(services: Services, bucket: str, key: str, before: str | None = None) -> Iterator[Job]:
    """The jobs of one uploaded object, newest first, from `created` < `before` on."""
    return _newest_first(services, "by_object", "object", f"{bucket}/{key}", before)


def of_kind(services: Services, kind: Kind, before: str | None = None) -> Iterator[Job]:
    """The jobs of one kind, newest first, from `created` < `before` on."""
    return _newest_first(services, "by_kind", "kind", kind.value, before)


def _newest_first(services: Services, index: str, name: str, value: str, before: str | None) -> Iterator[Job]:
    condition = "#partition = :partition" + (" AND created < :before" if before else "")
    values: dict[str, items.Value] = {":partition": value}
    if before:
        values[":before"] = before
    pages = services.dynamodb.get_paginator("query").paginate(
        TableName=services.settings.jobs_table,
        IndexName=index,
        KeyConditionExpression=condition,
        ExpressionAttributeNames={"#partition": name},
        ExpressionAttributeValues=items.to_item(values),
        ScanIndexForward=False,
        PaginationConfig={"PageSize": 100},
    )
    for page in pages:
        yield from (from_item(item) for item in page["Items"])


def as_status(job: Job, base_url: str) -> dict[str, Any]:
    """The job as the API tells it; result URLs are under `base_url` (no slash at its end)."""
    return {
        "job_id": job.job_id,
        "kind": job.kind.value,
        "status": job.status.value,
        "algorithm": job.algorithm,
        "step": None if job.status.final else job.step,
        "steps_done": job.steps_done,
        "steps_total": len(job.steps),
        "links": {name: job.links.get(name) for name in LINKS},
        "results": [
            {
                "index": result["index"],
                "label": result["label"],
                "url": f"{base_url}/v1/jobs/{job.job_id}/results/{result['index']}",
            }
            for result in job.results
        ],
        "error": job.error,
        "source": job.source.as_dict() if job.source else None,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
    }
