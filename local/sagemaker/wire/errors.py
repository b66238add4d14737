"""What goes wrong, as clients see it.

SageMakerError
 +- ApiError              answered to the client, code and status as AWS has them
 |   +- ValidationException, ResourceNotFound, ResourceInUse, ConflictException, UnknownOperation
 |   +- ServiceUnavailable
 |   +- EndpointValidationError, ModelError, ModelNotReady, Throttled   (the runtime's)
 +- WorkFailed            a job, step or endpoint cannot go on; the text is its FailureReason
     +- StorageError, ArchiveError, ImageError, IsolationError
"""

from collections.abc import Mapping


class SageMakerError(Exception):
    """Base of everything raised on purpose in this package."""


class ApiError(SageMakerError):
    """An error answer. `code` is AWS's name for it; `members` are further members of the error shape."""

    code = "InternalFailure"
    status = 400

    def __init__(self, message: str, members: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.members = dict(members or {})


class ValidationException(ApiError):
    code = "ValidationException"


class ResourceNotFound(ApiError):
    code = "ResourceNotFound"


class ResourceInUse(ApiError):
    code = "ResourceInUse"


class ConflictException(ApiError):
    code = "ConflictException"


class UnknownOperation(ApiError):
    code = "UnknownOperationException"


class EndpointValidationError(ApiError):
    """The runtime's word for a request that cannot be served."""

    code = "ValidationError"


class ModelError(ApiError):
    """The container answered with an error, or did not answer."""

    code = "ModelError"
    status = 424


class ModelNotReady(ApiError):
    """The container cannot take the request now; it may be sent again."""

    code = "ModelNotReadyException"
    status = 429


class Throttled(ApiError):
    """More requests at a time than the variant takes."""

    code = "ThrottlingException"


class ServiceUnavailable(ApiError):
    code = "ServiceUnavailable"
    status = 503


class WorkFailed(SageMakerError):
    """Work cannot go on. The text says why, in words for the person who started it."""


class StorageError(WorkFailed):
    """An S3 location cannot be read or written."""


class ArchiveError(WorkFailed):
    """A tar.gz is broken, or would write outside its folder."""


class ImageError(WorkFailed):
    """An image URI has no environment here, or its environment cannot be built."""


class IsolationError(WorkFailed):
    """The kernel does not give the isolation that was asked for."""
