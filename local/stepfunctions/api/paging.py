"""List operations in pages. A page's token says after which item it ends, so nothing is skipped when items go."""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any

from local.documents import Document, Json
from local.stepfunctions.api import errors

_DEFAULT = 100
Key = Callable[[Document], list[Json]]
"""Of an item: what its list is in the order of, and no two items share."""


def size(request: Document) -> int:
    return request.get("maxResults") or _DEFAULT


def after(request: Document) -> Any:
    """Returns where the page before this one ended; None for the first. Raises ApiError, also where the token is of a
    list that was asked for otherwise.
    """
    token = request.get("nextToken")
    if token is None:
        return None
    try:
        digest, position = json.loads(base64.b64decode(token, validate=True))
    except (ValueError, TypeError, binascii.Error):
        raise errors.invalid_page() from None
    if digest != _digest(request):
        raise errors.invalid_page()
    return position


def token(request: Document, position: Any) -> str:
    """Makes the token of a page that ends at this JSON value."""
    return base64.b64encode(json.dumps([_digest(request), position]).encode()).decode()


def page(member: str, items: Iterable[Document], request: Document, key: Key, *, descending: bool = False) -> Document:
    """Returns the answer of a list operation. Raises ApiError."""
    start = after(request)
    matching = sorted(items, key=key, reverse=descending)
    if start is not None:
        matching = [item for item in matching if (key(item) < start if descending else key(item) > start)]
    shown = matching[: size(request)]
    document: Document = {member: shown}
    if len(shown) < len(matching):
        document["nextToken"] = token(request, key(shown[-1]))
    return document


def _digest(request: Document) -> str:
    asked = {name: value for name, value in request.items() if name not in ("maxResults", "nextToken")}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]
