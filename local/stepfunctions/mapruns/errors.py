"""Why a map run fails, in AWS's names.

MapRunFailed
"""

from local.stepfunctions.asl.errors import EXCEED_TOLERATED_FAILURE_THRESHOLD

ITEM_READER_FAILED = "States.ItemReaderFailed"
RESULT_WRITER_FAILED = "States.ResultWriterFailed"


class MapRunFailed(Exception):
    def __init__(self, error: str | None, cause: str | None) -> None:
        super().__init__(error, cause)
        self.error = error
        self.cause = cause


def reader_failed(cause: str) -> MapRunFailed:
    return MapRunFailed(ITEM_READER_FAILED, cause)


def writer_failed(cause: str) -> MapRunFailed:
    return MapRunFailed(RESULT_WRITER_FAILED, cause)


def threshold_exceeded() -> MapRunFailed:
    return MapRunFailed(EXCEED_TOLERATED_FAILURE_THRESHOLD, "The specified tolerated failure threshold was exceeded")
