"""Describe calls of clients that look seldom are answered when there is something to see.

The SageMaker Python SDK looks at a new endpoint, or a job whose logs it shows, every 30 seconds: on AWS nothing is
missed, here all is over by then. A Describe call of such a client is held until the status is final, for a few seconds
at most. Everybody else is answered at once.
"""

import time
from collections.abc import Callable, Mapping
from typing import Final

from local.documents import Document
from local.store import Store

SECONDS: Final = 10.0
"""The SDK shows new log lines every 10 s: a job that takes longer loses nothing that it would have shown before."""

_CLIENT: Final = "AWS-SageMaker-Python-SDK"
_STATUS: Final = {
    "DescribeTrainingJob": "TrainingJobStatus",
    "DescribeProcessingJob": "ProcessingJobStatus",
    "DescribeTransformJob": "TransformJobStatus",
    "DescribeHyperParameterTuningJob": "HyperParameterTuningJobStatus",
    "DescribeEndpoint": "EndpointStatus",
}
_UNDER_WAY: Final = frozenset({"InProgress", "Creating", "Updating", "SystemUpdating", "Deleting", "Stopping"})


def looks_seldom(headers: Mapping[str, str]) -> bool:
    """Tells whether a request is of a client with long pauses; names of headers in lower case."""
    return _CLIENT in headers.get("user-agent", "") and headers.get("x-amz-target", "").rpartition(".")[2] in _STATUS


def answered(store: Store, operation: str, describe: Callable[[], Document]) -> Document:
    """Answers what `describe` does once its status is final, or when the time is up. Raises what it raises."""
    until = time.monotonic() + SECONDS
    while True:
        version = store.version
        document = describe()
        left = until - time.monotonic()
        if document.get(_STATUS[operation]) not in _UNDER_WAY or left <= 0 or not store.wait(version, left):
            return document
