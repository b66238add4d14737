"""Tags of any resource, by ARN."""

import base64
import binascii

from local.documents import Document
from local.sagemaker.machine.machine import Machine
from local.sagemaker.wire.errors import ValidationException

_KIND = "tags"
_MOST = 50
_PAGE = 50


def add(machine: Machine, arn: str, request: Document) -> None:
    """Keeps the Tags of a Create request."""
    if request.get("Tags"):
        _merge(machine, arn, {tag["Key"]: tag["Value"] for tag in request["Tags"]})


def list_tags(machine: Machine, request: Document) -> Document:
    """Lists the tags of a resource, which may be gone."""
    stored = machine.store.get(_KIND, request["ResourceArn"]) or {}
    return {"Tags": [{"Key": key, "Value": value} for key, value in stored.items()]}


def in_event(machine: Machine, arn: str) -> dict[str, str]:
    """Returns the tags of a resource as events carry them."""
    return {tag["Key"]: tag["Value"] for tag in list_tags(machine, {"ResourceArn": arn})["Tags"]}


def forget(machine: Machine, arn: str) -> None:
    machine.store.delete(_KIND, arn)


# The operations.


def add_tags(machine: Machine, request: Document) -> Document:
    """Answers all that the resource has now."""
    _check(machine, request["ResourceArn"])
    add(machine, request["ResourceArn"], request)
    return list_tags(machine, request)


def listed(machine: Machine, request: Document) -> Document:
    _check(machine, request["ResourceArn"])
    every = list_tags(machine, request)["Tags"]
    try:
        start = int(base64.b64decode(request.get("NextToken", "")) or 0)
    except (ValueError, binascii.Error) as error:
        raise ValidationException("The NextToken is not one that was given out.") from error
    end = start + request.get("MaxResults", _PAGE)
    page: Document = {"Tags": every[start:end]}
    if end < len(every):
        page["NextToken"] = base64.b64encode(str(end).encode()).decode()
    return page


def delete_tags(machine: Machine, request: Document) -> Document:
    arn = request["ResourceArn"]
    _check(machine, arn)
    gone = set(request["TagKeys"])
    with machine.store.transaction():
        stored = machine.store.get(_KIND, arn) or {}
        machine.store.put(_KIND, arn, {key: value for key, value in stored.items() if key not in gone})
    return {}


def _check(machine: Machine, arn: str) -> None:
    """Raises ValidationException unless a resource is stored under the kind and name that its ARN ends with."""
    kind, _, name = arn.split(":", 5)[-1].partition("/")
    if not name or machine.store.get(kind, name) is None:
        raise ValidationException(f"The resource {arn} does not exist.")


def _merge(machine: Machine, arn: str, tags: dict[str, str]) -> None:
    with machine.store.transaction():
        merged = {**(machine.store.get(_KIND, arn) or {}), **tags}
        if len(merged) > _MOST:
            raise ValidationException(f"{arn} would have {len(merged)} tags; at most {_MOST} are kept.")
        machine.store.put(_KIND, arn, merged)
