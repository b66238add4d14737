"""Tags of any resource, by ARN."""

from local.sagemaker.context import Context
from local.store import Document

_KIND = "tags"


def add(context: Context, arn: str, request: Document) -> None:
    """Keep the Tags of a Create request."""
    if request.get("Tags"):
        _merge(context, arn, {tag["Key"]: tag["Value"] for tag in request["Tags"]})


def add_tags(context: Context, request: Document) -> Document:
    add(context, request["ResourceArn"], request)
    return list_tags(context, request)


def list_tags(context: Context, request: Document) -> Document:
    stored = context.store.get(_KIND, request["ResourceArn"]) or {}
    return {"Tags": [{"Key": key, "Value": value} for key, value in stored.items()]}


def delete_tags(context: Context, request: Document) -> Document:
    arn = request["ResourceArn"]
    stored = context.store.get(_KIND, arn) or {}
    gone = set(request["TagKeys"])
    context.store.put(_KIND, arn, {key: value for key, value in stored.items() if key not in gone})
    return {}


def forget(context: Context, arn: str) -> None:
    context.store.delete(_KIND, arn)


def _merge(context: Context, arn: str, tags: dict[str, str]) -> None:
    with context.store.transaction():
        context.store.put(_KIND, arn, {**(context.store.get(_KIND, arn) or {}), **tags})
