"""The words of the API that a person may type, as it checks them: tests/agreement compares them with its own."""

from enum import StrEnum
from typing import Final


class JobKind(StrEnum):
    """What a job does."""

    TRAINING = "training"
    FACE = "face"
    CHAIN = "chain"
    BATCH = "batch"
    DEPLOYMENT = "deployment"


class JobStatus(StrEnum):
    """Where a job stands."""

    PENDING = "PENDING"
    INPROGRESS = "INPROGRESS"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    STOPPED = "STOPPED"


FINISHED: Final = frozenset({JobStatus.SUCCESS, JobStatus.FAILURE, JobStatus.STOPPED})
