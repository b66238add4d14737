"""Presigned URLs: how bytes reach and leave the buckets without passing through the API (10 MB at most there)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from functions.aws.services import Services

SECONDS = 900


def put_url(services: Services, key: str, content_type: str | None = None) -> str:
    """Returns a URL that takes one PUT of an upload; with `content_type`, only a PUT that says the same."""
    params = {"Bucket": services.settings.uploads_bucket, "Key": key}
    if content_type:
        params["ContentType"] = content_type
    return services.s3.generate_presigned_url("put_object", Params=params, ExpiresIn=SECONDS)


def get_url(services: Services, key: str) -> str:
    """Returns a URL that gives one result image."""
    params = {"Bucket": services.settings.artifacts_bucket, "Key": key}
    return services.s3.generate_presigned_url("get_object", Params=params, ExpiresIn=SECONDS)
