"""Photos as phones store them, HEIC and AVIF, as the JPEG that models take. Needs Pillow and pi-heif."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.aws import locations
from functions.images import images, pictures
from functions.images.tiles import JpegEncoder

if TYPE_CHECKING:
    from functions.aws.services import Services


def as_jpeg(location: str, job_id: str, services: Services) -> str:
    """Decodes the photo at `location` and returns where its JPEG lies (s3:// URIs). A repeat writes the same again.

    Raises:
        ImageRejected: it cannot be decoded, or has more pixels than a function decodes.
    """
    bucket, key = locations.split_uri(location)
    body = services.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    image, _ = pictures.upright(key.rsplit("/", 1)[-1], body)
    with JpegEncoder(threads=1) as encoder:
        jpeg = pictures.encode(encoder, image, images.MAX_BYTES)
    target = f"runs/{job_id}/photo.jpg"
    artifacts = services.settings.artifacts_bucket
    services.s3.put_object(Bucket=artifacts, Key=target, Body=jpeg, ContentType=images.JPEG)
    return f"s3://{artifacts}/{target}"
