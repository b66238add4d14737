"""Tags of state machines and activities, by ARN."""

from collections.abc import Sequence

from local.documents import Document
from local.stepfunctions.api import arns, errors
from local.stepfunctions.api.context import Context
from local.stepfunctions.api.errors import ApiError

_KIND = "tags"
_ACTIVITY = "activity"
_MOST = 50


def keep(context: Context, arn: str, tags: Sequence[Document]) -> None:
    """Keeps tags, in the transaction of what they tag. Raises ApiError."""
    if any("key" not in tag for tag in tags):
        raise errors.validation("Every tag must have a key")
    if tags:
        with context.store.transaction():
            merged = {**(context.store.get(_KIND, arn) or {}), **{tag["key"]: tag.get("value", "") for tag in tags}}
            check(arn, merged)
            context.store.put(_KIND, arn, merged)


def check(arn: str, tags: Document) -> None:
    if len(tags) > _MOST:
        raise ApiError("TooManyTags", f"Too many tags: '{arn}'")


def forget(context: Context, arn: str) -> None:
    context.store.delete(_KIND, arn)


def tag(context: Context, request: Document) -> Document:
    keep(context, _resource(context, request), request["tags"])
    return {}


def untag(context: Context, request: Document) -> Document:
    arn = _resource(context, request)
    gone = set(request["tagKeys"])
    with context.store.transaction():
        stored = context.store.get(_KIND, arn) or {}
        context.store.put(_KIND, arn, {key: value for key, value in stored.items() if key not in gone})
    return {}


def listed(context: Context, request: Document) -> Document:
    stored = context.store.get(_KIND, _resource(context, request)) or {}
    return {"tags": [{"key": key, "value": value} for key, value in stored.items()]}


def _resource(context: Context, request: Document) -> str:
    arn = arns.parse(request["resourceArn"], arns.MACHINE, arns.ACTIVITY)
    if arn.kind == arns.MACHINE:
        known = arn.rest is None and context.machine(arn) is not None
    else:
        known = context.store.get(_ACTIVITY, arn.text) is not None
    if not known:
        raise errors.no_resource(arn.text)
    return arn.text
