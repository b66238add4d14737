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


def post_form(services: Services, key: str, content_type: str | None, max_bytes: int) -> tuple[str, dict[str, str]]:
    """Returns where a form takes one POST of an upload of 1 to `max_bytes` bytes, and the fields to send before `file`.

    A PUT's URL cannot bound the length: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
    """
    fields = {"Content-Type": content_type} if content_type else {}
    form = services.s3.generate_presigned_post(
        Bucket=services.settings.uploads_bucket,
        Key=key,
        Fields=dict(fields),
        Conditions=[["content-length-range", 1, max_bytes], *({name: value} for name, value in fields.items())],
        ExpiresIn=SECONDS,
    )
    return form["url"], dict(form["fields"])


def get_url(services: Services, key: str) -> str:
    """Returns a URL that gives one result image."""
    params = {"Bucket": services.settings.artifacts_bucket, "Key": key}
    return services.s3.generate_presigned_url("get_object", Params=params, ExpiresIn=SECONDS)
