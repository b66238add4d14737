"""The first half of a chain: the uploaded image -> the detector's boxes -> crops in S3.

A repeat writes the same keys again. What passes on to the next state are the numbers of the crops, never their content.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from PIL import Image

from functions.aws import locations
from functions.aws.services import is_no_object
from functions.chains import boxes, chains, crops, invocations
from functions.chains.boxes import Detection
from functions.chains.chains import Chain
from functions.images import images, pictures
from functions.images.tiles import JpegEncoder
from functions.jobs import jobs
from functions.jobs.errors import ImageRejected
from functions.jobs.jobs import Progress

if TYPE_CHECKING:
    from functions.aws.services import Services


@dataclass(frozen=True, slots=True)
class Detected:
    crops: tuple[int, ...]
    left_out: int


def detect(job: Mapping[str, Any], services: Services) -> Detected:
    """Asks the detector of a claimed job for boxes and writes results/<job_id>/<index>.jpg for each that counts.

    Raises:
        ImageRejected: the object is gone, too large, or no image that can be decoded.
        EndpointNotFound, EndpointNotReady: one of the chain's endpoints is not there.
        ModelFailed, AnswerInvalid: the detector answered with an error, or with no boxes as docs/chained.md has them.
    """
    job_id, chain = job["job_id"], chains.parse(job["chain"])
    jobs.note(services, job_id, Progress(step=crops.DETECT, links={"endpoint": chain.detect.endpoint}))
    for member in (chain.detect, chain.read):
        invocations.check(member, services)
    name, body = _fetch(job["input_uri"], services)
    content_type = images.content_type(name, body[: images.HEAD_BYTES])
    image, as_stored = pictures.upright(name, body)
    with JpegEncoder() as encoder:
        if not as_stored or len(body) > invocations.MAX_REQUEST:
            body, content_type = pictures.encode(encoder, image, invocations.MAX_REQUEST), "image/jpeg"
        detected = boxes.parse(invocations.ask(chain.detect, body, content_type, services), chain.detect.algorithm)
        choice = boxes.choose(detected, image.size, min_confidence=chain.min_confidence, max_crops=chain.max_crops)
        cut = _Cutter(job_id, image, chain, encoder, services)
        stored = list(encoder.map(lambda at: cut.store(at, choice.chosen[at]), range(len(choice.chosen))))
    told = {
        "image": {"width": image.width, "height": image.height},
        "found": len(detected.detections),
        "unsure": choice.unsure,
        "outside": choice.outside,
        "left_out": choice.left_out,
        "crops": stored,
    }
    _store_detections(job_id, told, services)
    jobs.note(services, job_id, Progress(step=crops.READ, done=frozenset({crops.DETECT})))
    return Detected(tuple(range(len(stored))), choice.left_out)


def _fetch(location: str, services: Services) -> tuple[str, bytes]:
    bucket, key = locations.split_uri(location)
    name = key.rsplit("/", 1)[-1]
    try:
        images.check_size(name, services.s3.head_object(Bucket=bucket, Key=key)["ContentLength"])
        return name, services.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        if not is_no_object(error):
            raise
        raise ImageRejected(f"the image '{name}' is no longer in the bucket") from error


@dataclass(frozen=True, slots=True)
class _Cutter:
    job_id: str
    image: Image.Image
    chain: Chain
    encoder: JpegEncoder
    services: Services

    def store(self, index: int, detection: Detection) -> dict[str, Any]:
        """Writes one crop; returns what the manifest tells of it."""
        area = boxes.with_margin(detection.box, self.chain.margin, self.image.size)
        body = pictures.encode(self.encoder, self.image.crop(area), invocations.MAX_REQUEST)
        key = crops.image_key(self.job_id, index)
        client, bucket = self.services.s3, self.services.settings.artifacts_bucket
        client.put_object(Bucket=bucket, Key=key, Body=body, ContentType="image/jpeg")
        return {
            "index": index,
            "key": key,
            "size": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
            "object": detection.label,
            "confidence": detection.confidence,
            "box": detection.box.as_list(),
            "crop": list(area),
        }


def _store_detections(job_id: str, told: Mapping[str, Any], services: Services) -> None:
    services.s3.put_object(
        Bucket=services.settings.artifacts_bucket,
        Key=crops.detections_key(job_id),
        Body=json.dumps(told, ensure_ascii=False).encode(),
        ContentType="application/json",
    )
