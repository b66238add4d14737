"""What can go wrong with a job, as exception classes.

Lambda reports the class name as the error's type, so the class name is what `record_failure` stores as the job's
error code, and `str()` of the exception is the sentence a person reads: human text only, no codes, no JSON.

    JobError
      EventNotUnderstood   the input of an execution is neither an upload nor a direct run
      InputNotCopied       the uploaded version cannot be copied to its run
      PipelineNotStarted   SageMaker refused to start the pipeline
        PipelineThrottled    it is asked too often at this moment; the state machine asks again
        PipelinesAtLimit     as many run as the account may have; the state machine asks again, for hours
      ImageRejected        the uploaded image cannot be sent to a model
      EndpointNotReady     the endpoint is there but does not answer yet (or any more)
      EndpointNotFound     the endpoint is not there
      DeploymentRejected   the model cannot be put behind the endpoint
      SmokeTestFailed      the model does not answer its package's sample
      NothingToGoBackTo    no earlier model of the endpoint is there
      ResultInvalid        the model's answer is not the array of images it should be
      ModelFailed          an endpoint of a chain answered with an error
      AnswerInvalid        an endpoint of a chain answered something that docs/chained.md does not have
      CropsUnread          a chain's reader failed on every crop
      JobOver              the job has ended meanwhile: a person stopped it, or its time was up
"""

from collections.abc import Iterator


class JobError(Exception):
    """Base of every error whose text goes to a person as it stands."""


class EventNotUnderstood(JobError): ...


class InputNotCopied(JobError): ...


class PipelineNotStarted(JobError): ...


class PipelineThrottled(PipelineNotStarted): ...


class PipelinesAtLimit(PipelineNotStarted): ...


class ImageRejected(JobError): ...


class EndpointNotReady(JobError): ...


class EndpointNotFound(JobError): ...


class DeploymentRejected(JobError): ...


class SmokeTestFailed(JobError): ...


class NothingToGoBackTo(JobError): ...


class ResultInvalid(JobError): ...


class ModelFailed(JobError): ...


class AnswerInvalid(JobError): ...


class CropsUnread(JobError): ...


class JobOver(JobError): ...


KNOWN_CODES = (
    "JobFailed", "UploadRejected", "UnknownDecision",
    "ExecutionNotStarted", "UploadExpired", "JobStopped", "ExecutionStopped", "ExecutionTimedOut", "ExecutionFailed",
    "PipelineFailed", "PipelineStopped", "InferenceFailed",
    "EndpointFailed", "EndpointRolledBack", "Superseded", "DeploymentRolledBack",
    "States.Timeout", "States.HeartbeatTimeout", "States.DataLimitExceeded", "States.Permissions", "Lambda.Unknown",
)  # fmt: skip
"""Codes of failures that are no exception of ours: what ended outside, and what Step Functions and Lambda call it."""


STOPPING_CODES = frozenset({"JobStopped", "ExecutionStopped", "PipelineStopped"})
"""Codes of what a person ended: by the API, by StopExecution, by StopPipelineExecution."""

USER_CODES = frozenset(
    {"UploadRejected", "UploadExpired", "ImageRejected", "SmokeTestFailed", "NothingToGoBackTo", "Superseded"}
)
"""Codes of what is wrong with an upload, a model or a decision: its user can mend it, and no operator can."""


def own_codes() -> frozenset[str]:
    """Names of all classes of this tree: the codes whose message is written for people."""
    return frozenset(_names(JobError))


def _names(error: type[JobError]) -> Iterator[str]:
    yield error.__name__
    for below in error.__subclasses__():
        yield from _names(below)
