"""What an execution remembers: its own document and one for each step, with the events of their changes."""

from collections.abc import Callable
from enum import StrEnum

from local.sagemaker import events
from local.sagemaker.context import Context
from local.sagemaker.jobs.runner import shortened
from local.sagemaker.pipelines.definition import Step
from local.store import Document, now

EXECUTION, STEP = "pipeline-execution", "pipeline-execution-step"
_MAX_REASON = 3072


class ExecutionStatus(StrEnum):
    EXECUTING = "Executing"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    FAILED = "Failed"
    SUCCEEDED = "Succeeded"

    @property
    def final(self) -> bool:
        return self in (ExecutionStatus.STOPPED, ExecutionStatus.FAILED, ExecutionStatus.SUCCEEDED)


class StepStatus(StrEnum):
    EXECUTING = "Executing"
    STOPPED = "Stopped"
    FAILED = "Failed"
    SUCCEEDED = "Succeeded"


class Journal:
    """Of one execution. Each call is one transaction, its event included."""

    def __init__(self, context: Context, key: str) -> None:
        """`key` is `<pipeline>/<execution id>`."""
        self._context = context
        self.key = key
        self.execution_id = key.rsplit("/", 1)[1]

    def document(self) -> Document:
        document = self._context.store.get(EXECUTION, self.key)
        if document is None:
            raise KeyError(self.key)
        return document

    def steps(self) -> dict[str, Document]:
        """By name, in the order in which they started."""
        found = self._context.store.find(STEP, f"{self.execution_id}/")
        return {document["StepName"]: document for document in found}

    def set_status(self, status: ExecutionStatus, reason: str | None = None) -> bool:
        """False where the execution is over, or is so already."""
        moved = False

        def change(document: Document) -> bool:
            nonlocal moved
            before = ExecutionStatus(document["PipelineExecutionStatus"])
            if before is status or (before.final and status is not ExecutionStatus.EXECUTING):
                return False
            moved = True
            document["PipelineExecutionStatus"] = status.value
            document["LastModifiedTime"] = now()
            document.pop("FailureReason", None)
            document.pop("_EndTime", None)
            if reason is not None:
                document["FailureReason"] = reason
            if status.final:
                document["_EndTime"] = now()
            tell_execution(self._context, document, before)
            return True

        self._context.store.change(EXECUTION, self.key, change)
        return moved

    def step_started(self, step: Step) -> None:
        document: Document = {
            "StepName": step.name,
            "StepStatus": StepStatus.EXECUTING.value,
            "StartTime": now(),
            "AttemptCount": 0,
            "Metadata": {},
            "_Type": step.type,
        }
        for member, given in (("StepDisplayName", "DisplayName"), ("StepDescription", "Description")):
            if step.body.get(given):
                document[member] = step.body[given]
        with self._context.store.transaction():
            # A step that was interrupted starts anew, after those that have started since.
            self._context.store.delete(STEP, self._step_key(step.name))
            self._context.store.insert(STEP, self._step_key(step.name), document)
            self._tell_step(document, None)

    def step_has_job(self, step: Step, metadata: Document) -> None:
        def change(document: Document) -> None:
            document["Metadata"] = metadata
            # Again Executing, now with the job's ARN: that is how a listener learns of it before it ends.
            self._tell_step(document, StepStatus.EXECUTING)

        self._context.store.change(STEP, self._step_key(step.name), change)

    def step_ended(
        self,
        step: Step,
        status: StepStatus,
        *,
        reason: str | None = None,
        metadata: Document | None = None,
        properties: Document | None = None,
    ) -> None:
        def change(document: Document) -> None:
            document["StepStatus"] = status.value
            document["EndTime"] = now()
            if metadata:
                document["Metadata"] = metadata
            if reason is not None:
                document["FailureReason"] = shortened(reason, _MAX_REASON)
            if properties is not None:
                document["_Properties"] = properties
            self._tell_step(document, StepStatus.EXECUTING)

        self._context.store.change(STEP, self._step_key(step.name), change)

    def forget_steps(self, keep: Callable[[Document], bool]) -> None:
        with self._context.store.transaction():
            for name, document in self.steps().items():
                if not keep(document):
                    self._context.store.delete(STEP, self._step_key(name))

    def _step_key(self, name: str) -> str:
        return f"{self.execution_id}/{name}"

    def _tell_step(self, document: Document, before: StepStatus | None) -> None:
        execution = self.document()
        detail: Document = {
            "metadata": {_small(kind): _in_small(of) for kind, of in document["Metadata"].items()},
            "stepStartTime": events.iso(document["StartTime"]),
            "stepName": document["StepName"],
            "stepType": document["_Type"],
            "currentStepStatus": document["StepStatus"],
            "pipelineArn": execution["PipelineArn"],
            "pipelineExecutionArn": execution["PipelineExecutionArn"],
        }
        if before is not None:
            detail["previousStepStatus"] = before.value
        if "EndTime" in document:
            detail["stepEndTime"] = events.iso(document["EndTime"])
        if "FailureReason" in document:
            detail["failureReason"] = document["FailureReason"]
        resources = [execution["PipelineArn"], execution["PipelineExecutionArn"]]
        self._context.outbox.add(events.PIPELINE_STEP, detail, resources)


def tell_execution(context: Context, document: Document, before: ExecutionStatus | None) -> None:
    """Call inside the transaction of the change."""
    detail: Document = {
        "pipelineExecutionDisplayName": document["PipelineExecutionDisplayName"],
        "currentPipelineExecutionStatus": document["PipelineExecutionStatus"],
        "executionStartTime": events.iso(document["CreationTime"]),
        "pipelineArn": document["PipelineArn"],
        "pipelineExecutionArn": document["PipelineExecutionArn"],
    }
    if before is not None:
        detail["previousPipelineExecutionStatus"] = before.value
    if "_EndTime" in document:
        detail["executionEndTime"] = events.iso(document["_EndTime"])
    if "PipelineExecutionDescription" in document:
        detail["pipelineExecutionDescription"] = document["PipelineExecutionDescription"]
    resources = [document["PipelineArn"], document["PipelineExecutionArn"]]
    context.outbox.add(events.PIPELINE_EXECUTION, detail, resources)


def _small(name: str) -> str:
    return name[:1].lower() + name[1:]


def _in_small(value: object) -> object:
    return {_small(k): v for k, v in value.items()} if isinstance(value, dict) else value
