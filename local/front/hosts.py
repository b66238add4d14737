"""The names that the port answers to.

A page whose own name is made to lead to 127.0.0.1 (DNS rebinding) is of the same origin as the port in its browser's
eyes; only the Host header tells that another name was meant.
"""

import functools
import re
from collections.abc import Sequence
from enum import Enum

from local.errors import LocalCloudError

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?")
_ALLOWABLE = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*")
# `sync-` is what AWS's clients put before the name of an endpoint for StartSyncExecution.
_OWN = frozenset({"127.0.0.1", "localhost", "[::1]", "sync-localhost"})
_UNDER_LOCALHOST = ".localhost"
"""Browsers and resolvers lead these names to loopback without asking anybody: RFC 6761, section 6.3."""
_REMEMBERED = 1024


class Named(Enum):
    """How a request names the port."""

    PORT = "by a name of its own"
    SERVICE = "by a name under localhost, which says what of it is meant: a bucket, an API"
    ALLOWED = "by a name of --allow-host"


class Hosts:
    """The names, and which others are allowed: `NAME`, or `*.NAME` for all names under it.

    The number of the port does not count: a tunnel or a container's published port has another, and a page of another
    local server can no more choose it than the name. Raises LocalCloudError where something allowed is no name.
    """

    def __init__(self, allowed: Sequence[str] = ()) -> None:
        names = [name.lower() for name in allowed]
        for name in names:
            if _ALLOWABLE.fullmatch(name) is None:
                raise LocalCloudError(f"--allow-host {name}: expected a name as in http://NAME:4566, without a port")
        self._allowed = frozenset(names)
        self._under = tuple(name[1:] for name in names if name.startswith("*."))
        self.named = functools.lru_cache(_REMEMBERED)(self._named)

    def _named(self, host: bytes) -> Named | None:
        """Returns None for a name that does not mean this port."""
        match = _HOST.fullmatch(host.decode("latin-1").lower())
        if match is None:
            return None
        name = match[1]
        if name in _OWN:
            return Named.PORT
        if name in self._allowed or name.endswith(self._under):
            return Named.ALLOWED
        return Named.SERVICE if name.endswith(_UNDER_LOCALHOST) else None
