"""The algorithms table: one row for each algorithm, which functions and the API read."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from pipelines.documents import Document, Json
from pipelines.product import CompiledPipeline
from pipelines.publishing.changes import Action, Change, Kind, Step, unchanged
from pipelines.publishing.publication import Publication


def current(publication: Publication) -> dict[str, str]:
    """Returns the published algorithm of every row, by name."""
    paginator = publication.clients.dynamodb.get_paginator("scan")
    pages = paginator.paginate(TableName=publication.environment.algorithms_table, ConsistentRead=True)
    return {item["name"]["S"]: item.get("spec", {}).get("S", "") for page in pages for item in page["Items"]}


def tags(rows: Mapping[str, str]) -> dict[str, Mapping[str, str]]:
    """Returns the tags that publishing put on each algorithm's pipeline; any other that it carries is not ours."""
    return {name: _document(row).get("tags", {}) for name, row in rows.items()}


def steps(publication: Publication, pipelines: Sequence[CompiledPipeline], rows: Mapping[str, str]) -> Iterator[Step]:
    """Yields what is created, updated and left."""
    for pipeline in pipelines:
        row = rows.get(pipeline.name)
        if row == pipeline.published:
            yield unchanged(Kind.ALGORITHM, pipeline.name)
            continue
        change = Change(Kind.ALGORITHM, pipeline.name, Action.CREATE)
        if row is not None:
            detail = ", ".join(_differences(_document(row), _document(pipeline.published)))
            change = Change(Kind.ALGORITHM, pipeline.name, Action.UPDATE, detail)
        yield Step(change, partial(_put, publication, pipeline))


def removals(publication: Publication, names: Sequence[str]) -> Iterator[Step]:
    """Yields the ends of rows that stand."""
    dynamodb, table = publication.clients.dynamodb, publication.environment.algorithms_table
    for name in names:
        change = Change(Kind.ALGORITHM, name, Action.DELETE, "not in the catalogue")
        yield Step(change, partial(dynamodb.delete_item, TableName=table, Key={"name": {"S": name}}))


def _put(publication: Publication, pipeline: CompiledPipeline) -> None:
    publication.clients.dynamodb.put_item(
        TableName=publication.environment.algorithms_table,
        Item={
            "name": {"S": pipeline.name},
            "spec": {"S": pipeline.published},
            "published_at": {"S": _timestamp(publication.now)},
        },
    )


def _differences(before: Mapping[str, Json], after: Mapping[str, Json]) -> Iterator[str]:
    """Yields the keys of the published algorithm that differ."""
    nothing = object()
    for key in sorted(before.keys() | after.keys()):
        if before.get(key, nothing) != after.get(key, nothing):
            yield key


def _document(text: str) -> Document:
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _timestamp(now: datetime) -> str:
    return now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
