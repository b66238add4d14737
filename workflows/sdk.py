"""The one door to the stepfunctions SDK: its import is kept quiet, and what it cannot say is added here.

Version 2.3.0 is the last; it imports the sagemaker SDK and pkg_resources whether they are needed or not, and with
them come warnings, a root logger, an excepthook and a search for credentials on the network.
"""

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_QUIET = {"AWS_EC2_METADATA_DISABLED": "true", "SAGEMAKER_SUPPRESS_V2_WARNING": "1"}


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Put back what the import below changes in this process."""
    environment = {name: os.environ.get(name) for name in _QUIET}
    hook, root = sys.excepthook, logging.getLogger()
    handlers, level = list(root.handlers), root.level
    settings = logging.getLogger("sagemaker.config")
    os.environ.update(_QUIET)
    settings.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.excepthook = hook
        root.handlers[:] = handlers
        root.setLevel(level)
        settings.disabled = False
        for name, value in environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


with _undisturbed():
    from stepfunctions.steps import Catch, Chain, Choice, ChoiceRule, Fail, Map, Pass, Retry, Succeed, Task
    from stepfunctions.steps.states import Graph, State


class JitteredRetry(Retry):  # type: ignore[misc]  # the SDK has no types
    """A Retry whose waits are spread at random and bounded: fields of the language that the SDK does not know."""

    def __init__(self, *, max_delay_seconds: int, **fields: Any) -> None:
        super().__init__(**fields)
        self._max_delay_seconds = max_delay_seconds

    def to_dict(self) -> dict[str, Any]:
        """Returns the retrier as ASL."""
        return {**super().to_dict(), "MaxDelaySeconds": self._max_delay_seconds, "JitterStrategy": "FULL"}


__all__ = [
    "Catch",
    "Chain",
    "Choice",
    "ChoiceRule",
    "Fail",
    "Graph",
    "JitteredRetry",
    "Map",
    "Pass",
    "State",
    "Succeed",
    "Task",
]
