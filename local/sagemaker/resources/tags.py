"""Tags of any resource, by ARN."""

import base64
import binascii

from local.documents import Document
from local.sagemaker.machine.machine import Context
from local.sagemaker.wire.errors import ValidationException

_KIND = "tags"
_MOST = 50
_PAGE = 50


def add(context: Context, arn: str, request: Document) -> None:
    """Keep the Tags of a Create request."""
    if request.get("Tags"):
        _merge(context, arn, {tag["Key"]: tag["Value"] for tag in request["Tags"]})


def list_tags(context: Context, request: Document) -> Document:
    """Those of a resource that may be gone."""
    stored = context.store.get(_KIND, request["ResourceArn"]) or {}
    return {"Tags": [{"Key": key, "Value": value} for key, value in stored.items()]}


def forget(context: Context, arn: str) -> None:
    context.store.delete(_KIND, arn)


# The operations.


def add_tags(context: Context, request: Document) -> Document:
    """Answers all that the resource has now."""
    _check(context, request["ResourceArn"])
    add(context, request["ResourceArn"], request)
    return list_tags(context, request)


def listed(context: Context, request: Document) -> Document:
    _check(context, request["ResourceArn"])
    found = list_tags(context, request)["Tags"]
    try:
        start = int(base64.b64decode(request.get("NextToken", "")) or 0)
    except (ValueError, binascii.Error) as error:
        raise ValidationException("The NextToken is not one that was given out.") from error
    end = start + request.get("MaxResults", _PAGE)
    answer: Document = {"Tags": found[start:end]}
    if end < len(found):
        answer["NextToken"] = base64.b64encode(str(end).encode()).decode()
    return answer


def delete_tags(context: Context, request: Document) -> Document:
    arn = request["ResourceArn"]
    _check(context, arn)
    gone = set(request["TagKeys"])
    with context.store.transaction():
        stored = context.store.get(_KIND, arn) or {}
        context.store.put(_KIND, arn, {key: value for key, value in stored.items() if key not in gone})
    return {}


def _check(context: Context, arn: str) -> None:
    """A resource is stored under the kind and the name that its ARN ends with."""
    kind, _, name = arn.split(":", 5)[-1].partition("/")
    if not name or context.store.get(kind, name) is None:
        raise ValidationException(f"The resource {arn} does not exist.")


def _merge(context: Context, arn: str, tags: dict[str, str]) -> None:
    with context.store.transaction():
        merged = {**(context.store.get(_KIND, arn) or {}), **tags}
        if len(merged) > _MOST:
            raise ValidationException(f"{arn} would have {len(merged)} tags; at most {_MOST} are kept.")
        context.store.put(_KIND, arn, merged)
