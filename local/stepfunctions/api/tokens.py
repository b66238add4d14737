"""Task tokens: SendTaskSuccess, SendTaskFailure, SendTaskHeartbeat."""

from concurrent.futures import Future

from local.documents import Document
from local.stepfunctions.api.context import Context, Later
from local.stepfunctions.api.errors import ApiError
from local.stepfunctions.asl.documents import decode
from local.stepfunctions.executor.errors import TaskOver, TokenInvalid


def success(context: Context, request: Document) -> Later:
    output = request["output"]
    try:
        decode(output)
    except ValueError as error:
        raise ApiError("InvalidOutput", f"Invalid Output: '{error}'") from None
    return Later(context.executor.answer(request["taskToken"], output), _told)


def failure(context: Context, request: Document) -> Later:
    return Later(context.executor.fail(request["taskToken"], request.get("error"), request.get("cause")), _told)


def heartbeat(context: Context, request: Document) -> Later:
    return Later(context.executor.beat(request["taskToken"]), _told)


def _told(future: "Future[None]") -> Document:
    try:
        future.result()
    except TokenInvalid:
        raise ApiError("InvalidToken", "Invalid Token: 'Invalid token'") from None
    except TaskOver:
        raise ApiError("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'") from None
    return {}
