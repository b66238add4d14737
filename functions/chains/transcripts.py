"""The end of a chain: the readings of all crops -> the manifest and the job's results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from functions.aws.services import is_no_object
from functions.chains import crops
from functions.jobs import failure, jobs
from functions.jobs.errors import CropsUnread
from functions.jobs.jobs import Progress

if TYPE_CHECKING:
    from functions.aws.services import Services

MAX_LABEL = 200
"""Characters of the text that a job shows; the manifest has all of it."""


@dataclass(frozen=True, slots=True)
class Collected:
    count: int
    unread: int


def collect(event: Mapping[str, Any], services: Services) -> Collected:
    """Writes results/<job_id>/manifest.json and notes the job's results, in the order of the crops.

    The manifest is written before the row, so whoever sees a result can fetch all of it. A repeat writes the same.

    Raises:
        CropsUnread: there were crops, and the reader failed on every one.
    """
    job_id = event["job_id"]
    detected = _load(crops.detections_key(job_id), services)
    outcomes = {outcome["index"]: outcome for outcome in event["crops"]}
    results = [_result(job_id, crop, outcomes.get(crop["index"], {}), services) for crop in detected.pop("crops")]
    unread = [result for result in results if result["error"]]
    _store_manifest(job_id, event["algorithm"], detected, results, len(unread), services)
    if unread and len(unread) == len(results):
        raise CropsUnread(f"none of the {len(results)} crops could be read: {unread[0]['error']['message']}")
    rows = [{name: result[name] for name in ("index", "label", "key")} for result in results]
    jobs.note(services, job_id, Progress(done=frozenset(crops.STEPS), results=rows))
    return Collected(len(results), len(unread))


def _result(job_id: str, crop: Mapping[str, Any], outcome: Mapping[str, Any], services: Services) -> dict[str, Any]:
    reading = _load(crops.reading_key(job_id, crop["index"]), services) or {"lines": [], "error": None}
    error = reading["error"]
    if "error" in outcome and error is None:
        # The function ended without a word of its own: out of time or memory.
        error = failure.read({"Error": outcome["error"], "Cause": ""}).as_dict()
    lines = [] if error else reading["lines"]
    text = "\n".join(line["text"] for line in lines)
    return {**crop, "label": label(text), "text": text, "lines": lines, "error": error}


def label(text: str) -> str:
    """Returns the text on one line, short enough for a row."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_LABEL else f"{line[: MAX_LABEL - 1]}…"


def _load(key: str, services: Services) -> dict[str, Any]:
    """Returns the JSON object at `key`; empty if there is none."""
    try:
        response = services.s3.get_object(Bucket=services.settings.artifacts_bucket, Key=key)
    except ClientError as error:
        if not is_no_object(error):
            raise
        return {}
    loaded: dict[str, Any] = json.loads(response["Body"].read())
    return loaded


def _store_manifest(
    job_id: str,
    algorithm: str,
    detected: Mapping[str, Any],
    results: list[dict[str, Any]],
    unread: int,
    services: Services,
) -> None:
    manifest = {
        "job_id": job_id,
        "algorithm": algorithm,
        **detected,
        "count": len(results),
        "unread": unread,
        "results": results,
    }
    services.s3.put_object(
        Bucket=services.settings.artifacts_bucket,
        Key=f"results/{job_id}/manifest.json",
        Body=json.dumps(manifest, ensure_ascii=False, indent=2).encode(),
        ContentType="application/json",
    )
