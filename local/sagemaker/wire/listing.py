"""List operations: filter, sort and page, the same way for every kind."""

import base64
import binascii
from collections.abc import Sequence

from local.documents import Document, Json
from local.sagemaker.wire import shapes
from local.sagemaker.wire.errors import ValidationException

_DEFAULT_PAGE = 100


def page(
    operation: str,
    documents: Sequence[Document],
    request: Document,
    *,
    name: str,
    status: str = "",
    ascending: bool = False,
) -> Document:
    """Returns one page of `documents` (given oldest first) in the operation's output shape.

    `name` and `status` are the members that NameContains, SortBy Name and StatusEquals look at. `ascending` is the
    order where the request does not say one.
    """
    listed = [document for document in documents if _fits(document, request, name, status)]
    if request.get("SortBy") == "Name":
        listed.sort(key=lambda document: str(document[name]))
    elif request.get("SortBy") == "Status" and status:
        listed.sort(key=lambda document: str(document[status]))
    order = request.get("SortOrder")
    if order == "Descending" or (order is None and not ascending):
        listed.reverse()
    start = _offset(request.get("NextToken"))
    end = start + request.get("MaxResults", _DEFAULT_PAGE)
    page: Document = {_member(operation): listed[start:end]}
    if end < len(listed):
        page["NextToken"] = base64.b64encode(str(end).encode()).decode()
    return page


def _fits(document: Document, request: Document, name: str, status: str) -> bool:
    created, modified = document.get("CreationTime", 0), document.get("LastModifiedTime", 0)
    if request.get("NameContains", "").lower() not in str(document.get(name, "")).lower():
        return False
    if status and "StatusEquals" in request and document.get(status) != request["StatusEquals"]:
        return False
    bounds = (
        ("CreationTimeAfter", created, 1), ("CreatedAfter", created, 1),
        ("CreationTimeBefore", created, -1), ("CreatedBefore", created, -1),
        ("LastModifiedTimeAfter", modified, 1), ("LastModifiedTimeBefore", modified, -1),
    )  # fmt: skip
    return all((value - request[bound]) * side > 0 for bound, value, side in bounds if bound in request)


def _offset(token: Json) -> int:
    try:
        return int(base64.b64decode(token)) if token else 0
    except (ValueError, binascii.Error) as error:
        raise ValidationException("The NextToken is not one that was given out.") from error


def _member(operation: str) -> str:
    """Returns the list member of the operation's output."""
    shape = shapes.model().operation_model(operation).output_shape
    for member, of in (shape.members if shape is not None else {}).items():
        if of.type_name == "list":
            return str(member)
    raise ValueError(f"{operation} answers no list")
