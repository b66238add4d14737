"""Error answers: AWS's code for each, and AWS's words where they are known.

The words in quotes of AWS's own parser (of JSON, for example) are not AWS's.
"""


class ApiError(Exception):
    """An error answer."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        """As a client sees it: `StateMachineDoesNotExist`."""
        self.message = message
        self.status = status


def validation(message: str) -> ApiError:
    return ApiError("ValidationException", message)


def invalid_arn(why: str) -> ApiError:
    return ApiError("InvalidArn", f"Invalid Arn: '{why}'")


def invalid_name(name: str) -> ApiError:
    return ApiError("InvalidName", f"Invalid Name: '{name}'")


def invalid_page() -> ApiError:
    return ApiError("InvalidToken", "Invalid Token: 'Invalid token'")


def no_machine(arn: str) -> ApiError:
    return ApiError("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{arn}'")


def machine_deleting(arn: str) -> ApiError:
    return ApiError("StateMachineDeleting", f"State Machine is being deleted: '{arn}'")


def type_not_supported() -> ApiError:
    return ApiError("StateMachineTypeNotSupported", "This operation is not supported by this type of state machine")


def no_execution(arn: str) -> ApiError:
    return ApiError("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")


def no_activity(arn: str) -> ApiError:
    return ApiError("ActivityDoesNotExist", f"Activity Does Not Exist: '{arn}'")


def no_resource(arn: str) -> ApiError:
    return ApiError("ResourceNotFound", f"Resource not found: '{arn}'")


def conflict(message: str) -> ApiError:
    return ApiError("ConflictException", message)


def quota_exceeded(what: str, most: int) -> ApiError:
    return ApiError("ServiceQuotaExceededException", f"There are {most} {what} already", 402)


def unavailable() -> ApiError:
    return ApiError("ServiceUnavailable", "The local Step Functions is not running.", 503)
