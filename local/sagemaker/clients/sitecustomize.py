"""Leads AWS's own addresses to AWS_ENDPOINT_URL, for clients that name them: put this folder on PYTHONPATH.

The sagemaker SDK asks `https://sts.<region>.amazonaws.com` by name who is calling, in `Session.default_bucket()` and in
`get_execution_role()`, and an endpoint that is named in code counts for more than AWS_ENDPOINT_URL. Python imports a
module of this name at its start. It changes nothing where AWS_ENDPOINT_URL is not set, and nothing of the SDK itself.

Where that is on this machine, it also keeps clients from putting `sync-` before the host, as they do for
StartSyncExecution and TestState: no resolver knows `sync-127.0.0.1`.
"""

import importlib.util
import os
import re
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_OF_AWS = re.compile(r"https://[a-z0-9.-]+\.amazonaws\.com(\.cn)?/?$")
_OF_THIS_MACHINE = re.compile(r"https?://(127\.[0-9.]+|localhost|\[::1\])([:/]|$)")
_MENDED = "botocore.session"


class _Finder:
    """Waits for botocore, so that a program that does not use it does not load it."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        if name != _MENDED:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def executed(module: ModuleType) -> None:
                execute(module)
                _mend(module)

            spec.loader.exec_module = executed  # type: ignore[method-assign]
        return spec


def _mend(session: Any) -> None:
    create = session.Session.create_client

    def created(self: Any, service: str, *args: Any, **options: Any) -> Any:
        if _OF_AWS.match(str(options.get("endpoint_url") or "")):
            options["endpoint_url"] = None
        return create(self, service, *args, **options)

    session.Session.create_client = created


if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
    sys.meta_path.insert(0, _Finder())
    if _OF_THIS_MACHINE.match(endpoint):
        os.environ.setdefault("AWS_DISABLE_HOST_PREFIX_INJECTION", "true")
