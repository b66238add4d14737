"""The input of an execution: an uploaded object (two shapes of event), or a direct run.

EventBridge gives the key as plain text (https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html); the
older Records-style notification gives it URL-encoded, with `+` for a space
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus

from functions.jobs import ids
from functions.jobs.errors import EventNotUnderstood
from functions.jobs.job import Source

_SHOWN = 100
"""Characters of an input that nobody understands."""


@dataclass(frozen=True, slots=True)
class Upload:
    """One delivery of one S3 `Object Created` event."""

    bucket: str
    key: str
    version_id: str | None
    etag: str
    size: int | None
    """Bytes; None when the event does not say."""
    sequencer: str

    @property
    def object(self) -> str:
        return f"{self.bucket}/{self.key}"

    @property
    def version(self) -> str:
        return self.version_id or self.etag


@dataclass(frozen=True, slots=True)
class Again:
    """The run that is run again: the same input and pipeline, from one of its steps on where `steps` are named."""

    job_id: str
    input_uri: str | None = None
    definition_sha256: str | None = None
    pipeline_version: int | None = None
    steps: tuple[str, ...] = ()
    """Those to run; the others are taken over from `source_execution`."""
    source_execution: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A training that somebody asked for by name: the API, the retraining schedule, or publishing."""

    job_id: str
    algorithm: str
    source: Source | None
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    reason: str = "api"
    inherited: Mapping[str, Any] = field(default_factory=dict)
    """`job_id` and `hyperparameters` of an earlier run that this one takes over."""
    again: Again | None = None


def parse(event: Any) -> Upload | Run:
    """Reads the execution's input.

    Raises:
        EventNotUnderstood: it has none of the three shapes, or a field is missing; the text names it.
    """
    if not isinstance(event, Mapping):
        text = json.dumps(event)
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
        raise EventNotUnderstood(f"the execution's input is {shown}, neither an S3 event nor a run with a job_id")
    try:
        if "detail" in event:
            return _from_eventbridge(event["detail"])
        if "Records" in event:
            return _from_records(event["Records"])
        if "job_id" in event:
            return _from_run(event)
    except KeyError as error:
        raise EventNotUnderstood(f"the execution's input has no field {error}") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise EventNotUnderstood(f"the execution's input is malformed: {error}") from error
    raise EventNotUnderstood("the execution's input is neither an S3 event nor a run with a job_id")


def _known_version(version_id: Any) -> str | None:
    """S3 calls the version of an object in an unversioned bucket "null"."""
    return str(version_id) if version_id and version_id != "null" else None


def _from_eventbridge(detail: Mapping[str, Any]) -> Upload:
    uploaded = detail["object"]
    return Upload(
        bucket=str(detail["bucket"]["name"]),
        key=str(uploaded["key"]),
        version_id=_known_version(uploaded.get("version-id")),
        etag=str(uploaded.get("etag", "")).strip('"'),
        size=_size(uploaded),
        sequencer=str(uploaded.get("sequencer", "")),
    )


def _from_records(records: Any) -> Upload:
    if len(records) != 1:
        # S3 sends one record an event. Two would be two jobs, and an execution tells of one.
        raise EventNotUnderstood(f"expected an S3 notification with one record, found {len(records)}")
    s3 = records[0]["s3"]
    uploaded = s3["object"]
    return Upload(
        bucket=str(s3["bucket"]["name"]),
        key=unquote_plus(str(uploaded["key"]), errors="strict"),
        version_id=_known_version(uploaded.get("versionId")),
        etag=str(uploaded.get("eTag", "")).strip('"'),
        size=_size(uploaded),
        sequencer=str(uploaded.get("sequencer", "")),
    )


def _size(uploaded: Mapping[str, Any]) -> int | None:
    size = uploaded.get("size")
    return None if size is None else int(size)


def _from_run(event: Mapping[str, Any]) -> Run:
    job_id = str(event["job_id"])
    if not ids.is_job_id(job_id):
        raise EventNotUnderstood(f"'{job_id}' is not a job id")
    source = event.get("source")
    return Run(
        job_id=job_id,
        algorithm=str(event["algorithm"]),
        source=source and Source(str(source["bucket"]), str(source["key"]), _known_version(source.get("version_id"))),
        hyperparameters=dict(event.get("hyperparameters") or {}),
        reason=str(event.get("reason", "api")),
        inherited=dict(event.get("inherited") or {}),
        again=_again(event["again"]) if event.get("again") else None,
    )


def _again(told: Mapping[str, Any]) -> Again:
    version = told.get("pipeline_version")
    return Again(
        job_id=str(told["job_id"]),
        input_uri=told.get("input_uri"),
        definition_sha256=told.get("definition_sha256"),
        pipeline_version=None if version is None else int(version),
        steps=tuple(told.get("steps") or ()),
        source_execution=told.get("source_execution"),
    )
