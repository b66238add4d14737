"""The images of a finished face job: from the model's array in S3 to JPEG files, a manifest, and the job row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from functions.aws.services import is_no_object
from functions.images import npy, tiles
from functions.jobs import jobs
from functions.jobs.errors import ResultInvalid
from functions.jobs.jobs import Progress

if TYPE_CHECKING:
    from functions.aws.services import Services

MAX_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Result:
    """One image; `size` in bytes, `key` in the artifacts bucket."""

    index: int
    label: str
    key: str
    size: int
    sha256: str


def split(event: Mapping[str, Any], services: Services) -> list[Result]:
    """Cuts the array at `event["output"]` into results/<job_id>/<index>.jpg, writes the manifest and notes the job.

    The manifest is written after all images and the row last, so whoever sees a result can fetch it. A repeat writes
    the same bytes to the same keys.

    Raises:
        ResultInvalid: the array is not a strip of images; the text says why.
    """
    job_id, output = event["job_id"], event["output"]
    data = _fetch(output["bucket"], output["key"], services)
    strip = npy.read(data)
    if strip.size > tiles.MAX_SIZE:
        raise ResultInvalid(f"images of {strip.size} pixels a side are more than JPEG can hold")
    labels = names(event.get("labels") or [], strip.count)
    results = _encode_and_store(data, strip, job_id, labels, services)
    _store_manifest(job_id, event["algorithm"], strip.size, results, services)
    rows = [{"index": result.index, "label": result.label, "key": result.key} for result in results]
    jobs.note(services, job_id, Progress(done=frozenset({"StartInference", "SplitResult"}), results=rows))
    return results


def names(labels: list[str], count: int) -> list[str]:
    """Returns the algorithm's labels; generated ones when the model made another number of images than it has labels
    for.
    """
    return list(labels) if len(labels) == count else [f"IMAGE-{index}" for index in range(count)]


def _fetch(bucket: str, key: str, services: Services) -> bytes:
    try:
        size = services.s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
        if size > MAX_BYTES:
            raise ResultInvalid(f"the result has {size / 2**20:.0f} MiB; at most {MAX_BYTES // 2**20} MiB are read")
        return services.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        if not is_no_object(error):
            raise
        raise ResultInvalid("the model's result is not in the bucket") from error


def _encode_and_store(
    data: bytes, strip: npy.Strip, job_id: str, labels: list[str], services: Services
) -> list[Result]:
    client, bucket = services.s3, services.settings.artifacts_bucket

    def store(encoder: tiles.JpegEncoder, index: int) -> Result:
        body = encoder.encode(tiles.cut(data, strip, index))
        key = f"results/{job_id}/{index}.jpg"
        client.put_object(Bucket=bucket, Key=key, Body=body, ContentType="image/jpeg")
        return Result(index, labels[index], key, len(body), hashlib.sha256(body).hexdigest())

    with tiles.JpegEncoder() as encoder:
        return list(encoder.map(lambda index: store(encoder, index), range(strip.count)))


def _store_manifest(job_id: str, algorithm: str, tile_size: int, results: list[Result], services: Services) -> None:
    manifest = {
        "job_id": job_id,
        "algorithm": algorithm,
        "count": len(results),
        "tile_size": tile_size,
        "results": [asdict(result) for result in results],
    }
    services.s3.put_object(
        Bucket=services.settings.artifacts_bucket,
        Key=f"results/{job_id}/manifest.json",
        Body=json.dumps(manifest, ensure_ascii=False, indent=2).encode(),
        ContentType="application/json",
    )
