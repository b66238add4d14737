"""The rows of jobs. Moves between statuses are guarded by conditional writes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from functions.aws import items, times
from functions.aws.conditions import conditional
from functions.jobs.job import EXPIRING, MOVES, Job, Kind, Source, Status

if TYPE_CHECKING:
    from functions.aws.services import Services


NEVER = 253402300799
"""The last second of the year 9999, in seconds since 1970: the end of rows that stay."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What has become known of a job while it runs; None and what is empty say nothing."""

    links: Mapping[str, str | None] = field(default_factory=dict)
    step: str | None = None
    done: frozenset[str] = frozenset()
    """Steps that have ended."""
    endpoint_config: str | None = None
    results: list[dict[str, Any]] | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    durations: Mapping[str, float] = field(default_factory=dict)


def to_item(job: Job) -> dict[str, Any]:
    """Makes the row. An attribute that keys an index is left out rather than null: DynamoDB refuses null keys."""
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
    if job.run:
        optional["run"] = json.dumps(dict(job.run))
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
        endpoint_before=values.get("endpoint_before"),
        results=values.get("results") or [],
        error=values.get("error"),
        etag=values.get("etag"),
        hyperparameters=json.loads(values.get("hyperparameters") or "{}"),
        run=json.loads(values.get("run") or "{}"),
        metrics=json.loads(values.get("metrics") or "{}"),
        durations=json.loads(values.get("durations") or "{}"),
    )


def get(services: Services, job_id: str) -> Job | None:
    """Returns the job as it is now (consistent read)."""
    response = services.dynamodb.get_item(
        TableName=services.settings.jobs_table, Key={"job_id": {"S": job_id}}, ConsistentRead=True
    )
    item = response.get("Item")
    return from_item(item) if item else None


def create(services: Services, job: Job) -> Job | None:
    """Writes the row if there is none of that id; otherwise returns the row that is there."""
    with conditional() as condition:
        services.dynamodb.put_item(
            TableName=services.settings.jobs_table,
            Item=to_item(job) | _lifetime(services, job),
            ConditionExpression="attribute_not_exists(job_id)",
        )
    if condition.held:
        return None
    # The one that stood in the way may have expired since; then there is room.
    return get(services, job.job_id) or create(services, job)


def _lifetime(services: Services, job: Job) -> dict[str, Any]:
    """Returns when the row ends, under a name that DynamoDB's TTL does not look at until the job is final.

    Whoever makes it final copies it to `expires_at` in the same write, which a state machine can too, although it
    cannot reckon with times. So a job that runs never expires.
    """
    seconds = services.settings.job_retention_days * 86400
    end = times.epoch(times.parse(job.created_at), seconds) if job.kind in EXPIRING else NEVER
    values: dict[str, items.Value] = {"expires_when_final": end}
    return items.to_item(values | {"expires_at": end} if job.status.final else values)


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
    return end(services, job_id, execution, Status.FAILURE, error)


def end(services: Services, job_id: str, execution: str, status: Status, error: dict[str, str]) -> bool:
    """PENDING or INPROGRESS -> FAILURE or STOPPED, unless the job belongs to another execution.

    False when nothing was moved.
    """
    return _end(services, job_id, status, error, execution)


def stop(services: Services, job_id: str, error: dict[str, str]) -> bool:
    """PENDING or INPROGRESS -> STOPPED, whatever execution has the job. False when it is over, or there is none."""
    return _end(services, job_id, Status.STOPPED, error, None)


def _end(services: Services, job_id: str, status: Status, error: dict[str, str], execution: str | None) -> bool:
    before = {f":from{number}": old for number, old in enumerate(old for old in MOVES if status in MOVES[old])}
    sets = ["#status = :to", "#error = :error", "updated_at = :now"]
    sets.append("expires_at = if_not_exists(expires_when_final, :never)")
    condition = f"#status IN ({', '.join(before)})"
    values: dict[str, items.Value] = {":to": status, ":error": dict(error), ":never": NEVER, **before}
    names = {"#status": "status", "#error": "error"}
    if execution is not None:
        sets.append("links.#execution = :execution")
        condition += " AND (attribute_not_exists(links.#execution) OR links.#execution = :execution)"
        values[":execution"] = execution
        names["#execution"] = "execution"
    return _update(services, job_id, f"SET {', '.join(sets)} REMOVE step", condition, values, names)


def deploying(services: Services, job_id: str, endpoint_config: str, before: str) -> bool:
    """Notes that a job is about to put `endpoint_config` behind its endpoint; `before` is the config there, or "".

    False if the job is over: then it must not.
    """
    return _update(
        services,
        job_id,
        "SET endpoint_config = :config, endpoint_before = :before, updated_at = :now",
        "#status = :inprogress",
        {":config": endpoint_config, ":before": before, ":inprogress": Status.INPROGRESS},
        {"#status": "status"},
    )


def remember(services: Services, job_id: str, run: Mapping[str, Any]) -> bool:
    """Writes what a job is run with; a repeat of its claim writes the same."""
    values: dict[str, items.Value] = {":run": json.dumps(dict(run))}
    return _update(
        services, job_id, "SET #run = :run, updated_at = :now", "attribute_exists(job_id)", values, {"#run": "run"}
    )


def note(services: Services, job_id: str, progress: Progress) -> bool:
    """Adds what is known of a job's progress. Writing the same twice changes nothing; False if there is no such job."""
    sets = ["updated_at = :now"]
    values: dict[str, items.Value] = {}
    names: dict[str, str] = {}
    for name, value in progress.links.items():
        if value:
            sets.append(f"links.#{name} = :{name}")
            names[f"#{name}"], values[f":{name}"] = name, value
    members: dict[str, items.Value] = {
        "step": progress.step,
        "endpoint_config": progress.endpoint_config,
        "results": progress.results,
    }
    # As text: DynamoDB's numbers are no floats.
    members |= {
        name: json.dumps(dict(numbers))
        for name, numbers in (("metrics", progress.metrics), ("durations", progress.durations))
        if numbers
    }
    for name, member in members.items():
        if member is not None:
            sets.append(f"#{name} = :{name}")
            names[f"#{name}"], values[f":{name}"] = name, member
    expression = "SET " + ", ".join(sets)
    if progress.done:
        expression += " ADD done_steps :done"
        values[":done"] = progress.done
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
    with conditional() as outcome:
        services.dynamodb.update_item(
            TableName=services.settings.jobs_table,
            Key={"job_id": {"S": job_id}},
            UpdateExpression=expression,
            ConditionExpression=condition,
            ExpressionAttributeValues=items.to_item(stamped),
            **request,
        )
    return outcome.held


def of_object(services: Services, bucket: str, key: str, before: str | None = None) -> Iterator[Job]:
    """Returns the jobs of one uploaded object, newest first, from `created` < `before` on."""
    return _newest_first(services, "by_object", "object", f"{bucket}/{key}", before)


def of_kind(services: Services, kind: Kind, before: str | None = None) -> Iterator[Job]:
    """Returns the jobs of one kind, newest first, from `created` < `before` on."""
    return _newest_first(services, "by_kind", "kind", kind.value, before)


def between(services: Services, kind: Kind, status: Status, begin: str, end: str) -> Iterator[Job]:
    """Yields the jobs of a kind and status that were created from `begin` to `end` (`times.iso`)."""
    pages = services.dynamodb.get_paginator("query").paginate(
        TableName=services.settings.jobs_table,
        IndexName="by_kind",
        KeyConditionExpression="#kind = :kind AND created BETWEEN :begin AND :end",
        FilterExpression="#status = :status",
        ExpressionAttributeNames={"#kind": "kind", "#status": "status"},
        ExpressionAttributeValues=items.to_item({":kind": kind, ":status": status, ":begin": begin, ":end": end}),
    )
    for page in pages:
        yield from (from_item(item) for item in page["Items"])


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
