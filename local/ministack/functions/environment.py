"""What a function finds of the machine in its environment: what is listed here, and nothing else of the shell's.

Not the proxies: their addresses carry passwords, and Lambda sets none. A function that needs one has it among its own
variables, as on AWS.
"""

import os
from typing import Any

_KEPT = (
    "PATH",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    # These are the cloud's own: where it is, and that no other is asked.
    "AWS_CONFIG_FILE",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_ENDPOINT_URL",
    "AWS_SHARED_CREDENTIALS_FILE",
)
_ASKED_BY_MINISTACK = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "GATEWAY_PORT")

# On Lambda an X-Ray daemon listens; here none does, and its clients shall not look for it.
_SET = {"AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR", "POWERTOOLS_TRACE_DISABLED": "true"}
"""Unreserved: a function's own variables go over it."""


def of_machine() -> dict[str, str]:
    """Returns what every function is given before its own variables."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | _SET


class Host:
    """The module `os` as MiniStack's Lambda knows it, without the shell's variables.

    What MiniStack starts itself (Node.js, `provided.*`) gets a copy of `os.environ`; everything else is `os`'s own.
    """

    @property
    def environ(self) -> dict[str, str]:
        asked = {name: os.environ[name] for name in _ASKED_BY_MINISTACK if name in os.environ}
        return of_machine() | asked

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)
