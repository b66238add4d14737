"""What the machines share: tasks with their retries, the claim of an upload, the end of a job, good or bad.

Every task ends in the failure path when it cannot go on. Data stays in S3; what passes from state to state are
pointers and the job's id.
"""

from dataclasses import dataclass
from typing import Any, Final

from workflows.sdk import Catch, Choice, ChoiceRule, Fail, JitteredRetry, Pass, State, Succeed, Task

PARTITION: Final = "arn:${Partition}:states:::"

LAMBDA_ERRORS: Final = (
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
)
"""Lambda's own troubles. A function's exceptions and States.Timeout are answers, and are not tried again."""

DYNAMODB_ERRORS: Final = (
    "DynamoDB.SdkClientException",
    "DynamoDB.InternalServerErrorException",
    "DynamoDB.ThrottlingException",
    "DynamoDB.RequestLimitExceededException",
)
SNS_ERRORS: Final = ("SNS.SdkClientException", "SNS.InternalErrorException", "SNS.ThrottledException")
STATES_ERRORS: Final = ("StepFunctions.SdkClientException", "StepFunctions.ExecutionLimitExceededException")

ALREADY_STARTED: Final = ("StepFunctions.ExecutionAlreadyExistsException", "ExecutionAlreadyExists")
"""The integration's name for it, and the API's own, which some emulators pass on."""

FUNCTION_SECONDS: Final = 900
"""The longest a Lambda function may run."""


@dataclass(frozen=True, slots=True)
class Wait:
    """A task that ends when somebody sends its token back, or after `timeout`: seconds, or where they stand."""

    timeout: int | str

    @property
    def as_fields(self) -> dict[str, Any]:
        """Returns the field of the language that says so."""
        return {"timeout_seconds_path" if isinstance(self.timeout, str) else "timeout_seconds": self.timeout}


@dataclass(frozen=True, slots=True)
class Call:
    """A task that ends when its function answers, or after `timeout_seconds`."""

    timeout_seconds: int

    @property
    def as_fields(self) -> dict[str, Any]:
        """Returns the field of the language that says so."""
        return {"timeout_seconds": self.timeout_seconds}


WHOLE_CALL: Final = Call(FUNCTION_SECONDS)


def lambda_task(
    name: str,
    function: str,
    payload: dict[str, Any],
    *,
    comment: str,
    ends: Wait | Call = WHOLE_CALL,
    result_path: str | None = None,
) -> Task:
    """Invokes a function of functions/, named in CamelCase; without `result_path` its answer replaces the data."""
    whole = {"output_path": "$.Payload"} if result_path is None else {"result_path": result_path}
    task = Task(
        name,
        comment=comment,
        resource=f"{PARTITION}lambda:invoke{'.waitForTaskToken' if isinstance(ends, Wait) else ''}",
        parameters={"FunctionName": f"${{{function}FunctionArn}}", "Payload": payload},
        **ends.as_fields,
        **whole,
    )
    task.add_retry(service_retry(LAMBDA_ERRORS))
    return task


def service_retry(errors: tuple[str, ...]) -> JitteredRetry:
    """Try again when the service, not the request, was the trouble: after about 1, 2, 4, 8, 16 and 30 seconds."""
    return JitteredRetry(
        error_equals=list(errors), interval_seconds=1, backoff_rate=2.0, max_attempts=6, max_delay_seconds=30
    )


def caught_by(failure: State, *states: State) -> None:
    """Send every error of some states to the failure path, which finds it under `$.failure`."""
    for state in states:
        state.add_catch(Catch(error_equals=["States.ALL"], next_step=failure, result_path="$.failure"))


def notify(name: str, message: dict[str, Any], *, comment: str) -> Task:
    """Publish a message to the topic of jobs; the state's data passes unchanged."""
    task = Task(
        name,
        comment=comment,
        resource=f"{PARTITION}sns:publish",
        parameters={"TopicArn": "${JobsTopicArn}", "Message": message},
        timeout_seconds=60,
        result_path=None,
    )
    task.add_retry(service_retry(SNS_ERRORS))
    return task


def failure_path() -> State:
    """Record the failure in the job's row, tell the topic, end. Returns its first state.

    The execution ends as failed, which the alarm counts, where an operator has something to mend. What a user did
    wrong, or a person stopped, is told to whoever asks for the job, and is an end like any other.
    """
    record, tell, lost = _record_failure(), _notify_failure(), _notify_unrecorded()
    failed = Fail(
        "Failed",
        comment="The end of what an operator can mend.",
        error="JobFailed",
        cause="The reason is in the job's row, under error.",
    )
    told = Succeed("Told", comment="Nothing is broken: the job's row tells its user why it came to nothing.")
    whom = Choice("WhomItConcerns", comment="Alarms are for what operators can mend.")
    whom.add_choice(ChoiceRule.StringEquals(variable="$.recorded.Payload.answerable", value="user"), told)
    whom.default_choice(failed)
    record.next(tell)
    record.add_catch(Catch(error_equals=["States.ALL"], next_step=lost, result_path="$.recording"))
    for state, following in ((tell, whom), (lost, failed)):
        state.next(following)
        state.add_catch(Catch(error_equals=["States.ALL"], next_step=following, result_path="$.notification"))
    return record


def _record_failure() -> Task:
    record = lambda_task(
        "RecordFailure",
        "RecordFailure",
        {"input.$": "$$.Execution.Input", "state.$": "$", "execution.$": "$$.Execution.Id"},
        comment="Set the job to FAILURE, or STOPPED, with the reason a person needs.",
        result_path="$.recorded",
    )
    # Here the function's own errors are tried again too: a failure that is not recorded is one nobody sees.
    record.add_retry(
        JitteredRetry(
            error_equals=["States.TaskFailed"],
            interval_seconds=1,
            backoff_rate=2.0,
            max_attempts=3,
            max_delay_seconds=30,
        )
    )
    return record


def _notify_failure() -> Task:
    return notify(
        "NotifyFailure",
        {
            "status.$": "$.recorded.Payload.status",
            "job_id.$": "$.recorded.Payload.job_id",
            "code.$": "$.recorded.Payload.code",
            "message.$": "$.recorded.Payload.message",
            "execution.$": "$$.Execution.Id",
        },
        comment="Tell the topic of jobs why.",
    )


def _notify_unrecorded() -> Task:
    return notify(
        "NotifyUnrecorded",
        {"status": "FAILURE", "execution.$": "$$.Execution.Id", "failure.$": "$.failure"},
        comment="The row could not be written: the topic and the execution hold the reason.",
    )


def claim(failure: State, *, only: str | None = None, function: str = "ClaimUpload") -> tuple[Task, Choice]:
    """Claim the input, and go on only when this execution is the one that owns it; `only` jobs of that kind.

    Returns the first state and the choice; the caller adds where `started` leads.
    """
    task = lambda_task(
        "Claim",
        function,
        {"input.$": "$", "execution.$": "$$.Execution.Id"} | ({"only": only} if only else {}),
        comment="Write the delivery to the ledger and the job's row; decide whether this execution runs.",
    )
    decide = Choice("Decide", comment="A duplicated or older event of the same object starts nothing, and says so.")
    task.next(decide)
    caught_by(failure, task)
    reject = Pass(
        "Reject",
        comment="The upload cannot be used; the claim said why.",
        parameters={"Error": "UploadRejected", "Cause.$": "$.reason"},
        result_path="$.failure",
    )
    unknown = Pass(
        "UnknownDecision",
        comment="claim_upload and this machine are not of the same version.",
        result={
            "Error": "UnknownDecision",
            "Cause": "claim_upload gave a decision that the state machine does not know.",
        },
        result_path="$.failure",
    )
    reject.next(failure)
    unknown.next(failure)
    decide.add_choice(_decision("rejected"), reject)
    decide.add_choice(_decision("duplicate"), Succeed("Duplicate", comment="Another execution has this very event."))
    decide.add_choice(_decision("stale"), Succeed("Stale", comment="A newer version of the object came first."))
    decide.add_choice(_decision("ignored"), Succeed("Ignored", comment="No file that starts anything."))
    decide.default_choice(unknown)
    return task, decide


def hand_over(decide: Choice, failure: State) -> None:
    """Start `chained_inference` on this execution's input when the image was announced for a chain.

    It claims the upload itself, so its execution alone has the job. The name is this execution's: tried again, it is
    started once.
    """
    start = Task(
        "HandOver",
        comment="The image was announced for a chain of endpoints, which has a machine of its own.",
        resource=f"{PARTITION}states:startExecution",
        parameters={
            "StateMachineArn": "${ChainedInferenceStateMachineArn}",
            "Name.$": "$$.Execution.Name",
            "Input.$": "$$.Execution.Input",
        },
        timeout_seconds=60,
    )
    start.add_retry(service_retry(STATES_ERRORS))
    handed = Succeed("HandedOver", comment="The execution of that name goes on.")
    start.next(handed)
    start.add_catch(Catch(error_equals=list(ALREADY_STARTED), next_step=handed, result_path="$.started"))
    caught_by(failure, start)
    decide.add_choice(_decision("handed_over"), start)


def when_started(decide: Choice, first: State) -> None:
    """Sets where the claim's `started` leads."""
    decide.add_choice(_decision("started"), first)
    # Read first: it is the way most executions go.
    decide.choices.insert(0, decide.choices.pop())


def _decision(word: str) -> ChoiceRule:
    return ChoiceRule.StringEquals(variable="$.decision", value=word)


def success_path(failure: State) -> State:
    """Set the job to SUCCESS, tell the topic, end. Returns its first state."""
    record = Task(
        "RecordSuccess",
        comment="A job that failed meanwhile stays failed; a repeated write of SUCCESS changes nothing.",
        resource=f"{PARTITION}dynamodb:updateItem",
        parameters={
            "TableName": "${JobsTable}",
            "Key": {"job_id": {"S.$": "$.job_id"}},
            # The row ends when its first writer said, or, if that was an older headrace, in the year 9999.
            "UpdateExpression": "SET #status = :success, updated_at = :now,"
            " expires_at = if_not_exists(expires_when_final, :never) REMOVE #step",
            "ConditionExpression": "#status IN (:inprogress, :success)",
            "ExpressionAttributeNames": {"#status": "status", "#step": "step"},
            "ExpressionAttributeValues": {
                ":success": {"S": "SUCCESS"},
                ":inprogress": {"S": "INPROGRESS"},
                ":now": {"S.$": "$$.State.EnteredTime"},
                ":never": {"N": "253402300799"},
            },
        },
        timeout_seconds=60,
        result_path=None,
    )
    record.add_retry(service_retry(DYNAMODB_ERRORS))
    caught_by(failure, record)
    tell = notify(
        "NotifySuccess",
        {"status": "SUCCESS", "job_id.$": "$.job_id", "algorithm.$": "$.algorithm", "execution.$": "$$.Execution.Id"},
        comment="Tell the topic of jobs.",
    )
    done = Succeed("Done", comment="The job's row holds the result.")
    record.next(tell)
    tell.next(done)
    # The job is done whether or not anybody heard of it.
    tell.add_catch(Catch(error_equals=["States.ALL"], next_step=done, result_path="$.notification"))
    return record
