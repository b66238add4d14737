"""What an execution remembers: its own document and one for each step, with the events of their changes."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from local.documents import Document
from local.sagemaker.machine import events
from local.sagemaker.machine.machine import Machine
from local.sagemaker.pipelines import caching
from local.sagemaker.pipelines.definition import Step
from local.sagemaker.pipelines.progress import StepStatus
from local.sagemaker.wire.reasons import shortened
from local.store import now

EXECUTION, STEP, DEFINITION = "pipeline-execution", "pipeline-execution-step", "pipeline-execution-definition"
_MAX_REASON = 1024


class ExecutionStatus(StrEnum):
    EXECUTING = "Executing"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    FAILED = "Failed"
    SUCCEEDED = "Succeeded"

    @property
    def final(self) -> bool:
        return self in (ExecutionStatus.STOPPED, ExecutionStatus.FAILED, ExecutionStatus.SUCCEEDED)


@dataclass(frozen=True, slots=True)
class StepEnd:
    """How a step ended."""

    status: StepStatus
    reason: str | None = None
    metadata: Document | None = None
    properties: Document | None = None
    cache_key: str | None = None
    """Under which later runs may use this one."""
    cache_hit: str | None = None
    """The execution that this run was taken from."""


class Journal:
    """Of one execution. Each call is one transaction, its event included."""

    def __init__(self, machine: Machine, key: str) -> None:
        """`key` is `<pipeline>/<execution id>`."""
        self._machine = machine
        self.key = key
        self.pipeline, self.execution_id = key.rsplit("/", 1)
        self.pipeline_arn = machine.arns.of("pipeline", self.pipeline)
        self.execution_arn = machine.arns.execution(self.pipeline, self.execution_id)

    def document(self) -> Document:
        document = self._machine.store.get(EXECUTION, self.key)
        if document is None:
            raise KeyError(self.key)
        return document

    def definition(self) -> str:
        """Returns the definition's text, a thousand times the size of the document and read far less often than it."""
        stored = self._machine.store.get(DEFINITION, self.key) or {}
        return str(stored.get("PipelineDefinition", ""))

    def steps(self) -> dict[str, Document]:
        """Returns the steps by name, in the order in which they started."""
        documents = self._machine.store.find(STEP, f"{self.execution_id}/")
        return {document["StepName"]: document for document in documents}

    def set_status(self, status: ExecutionStatus, reason: str | None = None) -> bool:
        """Sets the status; returns False where the execution is over, or has it already."""
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
            tell_execution(self._machine, document, before)
            return True

        self._machine.store.change(EXECUTION, self.key, change)
        return moved

    def step_started(self, step: Step) -> None:
        """Records a step's start; one that makes something is Executing only once that is there."""
        makes = bool(step.kind.resource)
        document: Document = {
            "StepName": step.name,
            "StepStatus": (StepStatus.STARTING if makes else StepStatus.EXECUTING).value,
            "StartTime": now(),
            "AttemptCount": 1,
            "Metadata": {},
            "_Type": step.type,
        }
        for member, in_body in (("StepDisplayName", "DisplayName"), ("StepDescription", "Description")):
            if step.body.get(in_body):
                document[member] = step.body[in_body]
        with self._machine.store.transaction():
            self._machine.store.insert(STEP, self._step_key(step.name), document)
            self._tell_step(document, None if makes else StepStatus.STARTING)

    def step_attempt(self, step: Step, attempt: int) -> None:
        """Records an attempt, which is not an event of its own: the Executing that follows is."""
        self._machine.store.change(STEP, self._step_key(step.name), lambda d: d.update({"AttemptCount": attempt}))

    def step_executing(self, step: Step, metadata: Document, job: str | None) -> None:
        """Records that what it has made is there; `job` is that job's name."""

        def change(document: Document) -> bool:
            before = StepStatus(document["StepStatus"])
            if before.final:
                return False
            document["Metadata"] = metadata
            document["_Job"] = job
            if before is not StepStatus.STOPPING:
                document["StepStatus"] = StepStatus.EXECUTING.value
            # Perhaps again Executing, now with the job's ARN: that is how a listener learns of it before it ends.
            self._tell_step(document, before)
            return True

        self._machine.store.change(STEP, self._step_key(step.name), change)

    def step_stopping(self, name: str) -> None:
        def change(document: Document) -> bool:
            before = StepStatus(document["StepStatus"])
            if before.final or before is StepStatus.STOPPING:
                return False
            document["StepStatus"] = StepStatus.STOPPING.value
            self._tell_step(document, before)
            return True

        self._machine.store.change(STEP, self._step_key(name), change)

    def step_ended(self, step: Step, end: StepEnd) -> None:
        def change(document: Document) -> None:
            before = StepStatus(document["StepStatus"])
            document["StepStatus"] = end.status.value
            document["EndTime"] = now()
            if end.metadata:
                document["Metadata"] = end.metadata
            if end.reason is not None:
                document["FailureReason"] = shortened(end.reason, _MAX_REASON)
            if end.properties is not None:
                document["_Properties"] = end.properties
            if end.cache_hit is not None:
                document["CacheHitResult"] = {"SourcePipelineExecutionArn": end.cache_hit}
            self._tell_step(document, before)
            if end.cache_key is not None:
                kept = {
                    "ExecutionArn": self.execution_arn,
                    "EndTime": document["EndTime"],
                    "Metadata": document["Metadata"],
                    "Properties": end.properties or {},
                }
                caching.keep(self._machine, self.pipeline, step, end.cache_key, kept)

        self._machine.store.change(STEP, self._step_key(step.name), change)

    def step_reused(self, source: Document, source_arn: str) -> None:
        """Takes a step over from the source of a selective execution."""
        kept = {name: value for name, value in source.items() if name not in ("CacheHitResult", "_Job")}
        kept["SelectiveExecutionResult"] = {"SourcePipelineExecutionArn": source_arn}
        self._machine.store.insert(STEP, self._step_key(source["StepName"]), kept)

    def forget_steps(self, keep: Callable[[Document], bool]) -> None:
        with self._machine.store.transaction():
            for name, document in self.steps().items():
                if not keep(document):
                    self._machine.store.delete(STEP, self._step_key(name))

    def _step_key(self, name: str) -> str:
        return f"{self.execution_id}/{name}"

    def _tell_step(self, document: Document, before: StepStatus | None) -> None:
        detail: Document = {
            "metadata": {_small(kind): _in_small(of) for kind, of in document["Metadata"].items()},
            "stepStartTime": events.iso(document["StartTime"]),
            "stepName": document["StepName"],
            "stepType": document["_Type"],
            "currentStepStatus": document["StepStatus"],
            "pipelineArn": self.pipeline_arn,
            "pipelineExecutionArn": self.execution_arn,
        }
        if before is not None:
            detail["previousStepStatus"] = before.value
        if "EndTime" in document:
            detail["stepEndTime"] = events.iso(document["EndTime"])
        if "FailureReason" in document:
            detail["failureReason"] = document["FailureReason"]
        if "CacheHitResult" in document:
            detail["cacheHitResult"] = _in_small(document["CacheHitResult"])
        self._machine.outbox.add(events.PIPELINE_STEP, detail, [self.pipeline_arn, self.execution_arn])


def tell_execution(machine: Machine, document: Document, before: ExecutionStatus | None) -> None:
    """Tells the execution's status; call inside the transaction of the change."""
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
    machine.outbox.add(events.PIPELINE_EXECUTION, detail, resources)


def _small(name: str) -> str:
    return name[:1].lower() + name[1:]


def _in_small(value: object) -> object:
    if isinstance(value, list):
        return [_in_small(item) for item in value]
    return {_small(k): _in_small(v) for k, v in value.items()} if isinstance(value, dict) else value
