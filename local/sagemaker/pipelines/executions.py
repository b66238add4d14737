"""The pipeline executions that run now: each a graph walked by one thread, a step at a time remembered.

A step's end is committed before anything that depends on it starts. After a crash the walk goes on from there:
finished steps are not run again, an interrupted one runs again as a new job under a new name.
"""

import logging
import queue
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from local.sagemaker import storage
from local.sagemaker.context import Context
from local.sagemaker.errors import ApiError, WorkFailed
from local.sagemaker.jobs.runner import JobKind
from local.sagemaker.pipelines import steps
from local.sagemaker.pipelines.definition import Definition, Step, parse
from local.sagemaker.pipelines.expressions import Scope
from local.sagemaker.pipelines.journal import EXECUTION, ExecutionStatus, Journal, StepStatus
from local.sagemaker.pipelines.steps import Result, Run, StepFailed
from local.store import Document, now

logger = logging.getLogger(__name__)

STEPS_FAILED = "Step failure: One or multiple steps failed."
_UNLIMITED = 1 << 30


@dataclass(frozen=True, slots=True)
class _Ended:
    step: Step
    result: Result | StepFailed


class Executions:
    """Every running execution of this cloud."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._live: dict[str, Execution] = {}
        self._closing = False
        # Guards both and tells of every walk that ends.
        self._lock = threading.Condition()

    def start(self, key: str) -> None:
        """Run, or go on with, the execution whose document is stored."""
        execution = Execution(self._context, key)
        with self._lock:
            if self._closing:
                # It is stored as executing: the next start goes on with it.
                return
            self._live[key] = execution

        def run() -> None:
            try:
                execution.run()
            finally:
                with self._lock:
                    self._live.pop(key, None)
                    self._lock.notify_all()

        threading.Thread(target=run, name=f"pipeline-{key}", daemon=True).start()

    def stop(self, key: str) -> None:
        """The document says Stopping; make it so."""
        with self._lock:
            execution = self._live.get(key)
        if execution is not None:
            execution.stop()

    def resume(self) -> None:
        """At the start: executions that the last local cloud was at."""
        for key, document in self._context.store.items(EXECUTION):
            status = ExecutionStatus(document["PipelineExecutionStatus"])
            if not status.final:
                self.start(key)

    def stop_all(self) -> None:
        """Leave every execution as it is stored; the next start goes on with it. `join` waits for the walks' end.

        A step that blocks on what is not ours (a function that runs) is not waited for: nobody listens to its end.
        """
        with self._lock:
            self._closing = True
            live = list(self._live.values())
        for execution in live:
            execution.leave()

    def join(self, deadline: float) -> None:
        """Until the walks have ended, or it is `deadline` (time.monotonic)."""
        with self._lock:
            self._lock.wait_for(lambda: not self._live, max(0.0, deadline - time.monotonic()))


@dataclass(slots=True)
class _Progress:
    """Where the walk stands."""

    running: set[str] = field(default_factory=set)
    ended: dict[str, StepStatus] = field(default_factory=dict)
    properties: dict[str, Document] = field(default_factory=dict)
    failed: bool = False


class Execution:
    """One execution, walked by the thread that calls `run`."""

    def __init__(self, context: Context, key: str) -> None:
        self._context = context
        self._journal = Journal(context, key)
        self._messages: queue.Queue[_Ended | None] = queue.Queue()
        self._stopping = threading.Event()
        self._leaving = threading.Event()
        self._jobs: dict[str, tuple[JobKind, str]] = {}
        self._lock = threading.Lock()

    def stop(self) -> None:
        self._stopping.set()
        self._stop_jobs()
        self._messages.put(None)

    def leave(self) -> None:
        self._leaving.set()
        self._messages.put(None)

    def run(self) -> None:
        try:
            self._run()
        except Exception as error:
            if self._leaving.is_set():
                return
            logger.exception("pipeline execution %s", self._journal.key)
            self._journal.set_status(ExecutionStatus.FAILED, f"InternalServerError: {type(error).__name__}: {error}")

    def _run(self) -> None:
        document = self._journal.document()
        definition = parse(document["_Definition"])
        progress = self._remembered()
        if ExecutionStatus(document["PipelineExecutionStatus"]) is ExecutionStatus.STOPPING:
            self._stopping.set()
        limit = document.get("ParallelismConfiguration", {}).get("MaxParallelExecutionSteps", _UNLIMITED)
        while not self._leaving.is_set():
            if not (progress.failed or self._stopping.is_set()):
                ready = _ready(definition, progress)
                for step in ready[: limit - len(progress.running)]:
                    self._start(step, document, progress)
            if not progress.running:
                break
            message = self._messages.get()
            if message is not None and not self._leaving.is_set():
                self._record(message, progress)
        if not self._leaving.is_set():
            self._end(progress)

    def _remembered(self) -> _Progress:
        progress = _Progress()
        self._journal.forget_steps(lambda stored: stored["StepStatus"] != StepStatus.EXECUTING)
        for name, stored in self._journal.steps().items():
            status = progress.ended[name] = StepStatus(stored["StepStatus"])
            progress.properties[name] = stored.get("_Properties", {})
            progress.failed = progress.failed or status is StepStatus.FAILED
        return progress

    def _start(self, step: Step, document: Document, progress: _Progress) -> None:
        progress.running.add(step.name)
        self._journal.step_started(step)
        job_name = steps.job_name(self._journal.execution_id, step.name)
        run = Run(
            context=self._context,
            step=step,
            scope=self._scope(document, job_name, dict(progress.properties)),
            execution_id=self._journal.execution_id,
            execution_arn=document["PipelineExecutionArn"],
            job_name=job_name,
            started=lambda kind, name, metadata: self._job_started(step, kind, name, metadata),
        )
        name = f"step-{self._journal.execution_id}-{step.name}"
        threading.Thread(target=self._run_step, args=(run,), name=name, daemon=True).start()

    def _run_step(self, run: Run) -> None:
        result: Result | StepFailed
        try:
            result = steps.run(run)
        except StepFailed as error:
            result = error
        except Exception as error:
            if self._leaving.is_set():
                return
            logger.exception("step %s of %s", run.step.name, self._journal.key)
            result = StepFailed(f"InternalServerError: {type(error).__name__}: {error}")
        self._messages.put(_Ended(run.step, result))

    def _record(self, message: _Ended, progress: _Progress) -> None:
        step, result = message.step, message.result
        progress.running.discard(step.name)
        with self._lock:
            self._jobs.pop(step.name, None)
        if isinstance(result, Result):
            status = StepStatus.SUCCEEDED
            self._journal.step_ended(step, status, metadata=result.metadata, properties=result.properties)
            progress.properties[step.name] = result.properties
        elif self._stopping.is_set():
            status = StepStatus.STOPPED
            self._journal.step_ended(step, status, metadata=result.metadata)
        else:
            status = StepStatus.FAILED
            self._journal.step_ended(step, status, reason=str(result), metadata=result.metadata)
            progress.failed = True
        progress.ended[step.name] = status

    def _end(self, progress: _Progress) -> None:
        if self._stopping.is_set():
            self._journal.set_status(ExecutionStatus.STOPPED)
        elif progress.failed:
            self._journal.set_status(ExecutionStatus.FAILED, STEPS_FAILED)
        else:
            self._journal.set_status(ExecutionStatus.SUCCEEDED)

    def _job_started(self, step: Step, kind: JobKind, name: str, metadata: Document) -> None:
        self._journal.step_has_job(step, metadata)
        with self._lock:
            self._jobs[step.name] = (kind, name)
        if self._stopping.is_set():
            # The stop came before the job was known to it.
            self._stop_jobs()

    def _stop_jobs(self) -> None:
        with self._lock:
            jobs = list(self._jobs.values())
        for kind, name in jobs:
            try:
                self._context.jobs.stop(kind, name)
            except ApiError:
                # It has ended in the meantime.
                continue

    def _scope(self, document: Document, job_name: str, properties: dict[str, Document]) -> Scope:
        started = datetime.fromtimestamp(document["CreationTime"], UTC)
        current = datetime.fromtimestamp(now(), UTC)
        variables = {
            "PipelineExecutionId": self._journal.execution_id,
            "PipelineExecutionArn": document["PipelineExecutionArn"],
            "PipelineName": document["_PipelineName"],
            "PipelineArn": document["PipelineArn"],
            "StartDateTime": started.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
            "CurrentDateTime": current.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
            "TrainingJobName": job_name,
            "ProcessingJobName": job_name,
        }
        definition = parse(document["_Definition"])
        return Scope(
            parameters=document["_Values"],
            execution=variables,
            steps=properties,
            read_property_file=lambda step, name: self._property_file(definition.steps[step], name, properties),
            read_object=self._read,
        )

    def _property_file(self, step: Step, name: str, properties: dict[str, Document]) -> str:
        declared = {one["PropertyFileName"]: one for one in step.body.get("PropertyFiles", [])}
        if name not in declared:
            raise WorkFailed(f"step {step.name} declares no property file {name!r}")
        file = declared[name]
        outputs = properties.get(step.name, {}).get("ProcessingOutputConfig", {}).get("Outputs", [])
        for output in outputs:
            if output["OutputName"] == file["OutputName"]:
                return self._read(storage.joined(output["S3Output"]["S3Uri"], file["FilePath"]))
        raise WorkFailed(f"step {step.name} has no output {file['OutputName']!r} for property file {name!r}")

    def _read(self, uri: str) -> str:
        return storage.read_text(self._context.s3, uri)


def _ready(definition: Definition, progress: _Progress) -> list[Step]:
    """Steps that may start now. A step of a branch not taken, or after one, never becomes ready."""
    return [
        step
        for step in definition.steps.values()
        if step.name not in progress.running
        and step.name not in progress.ended
        and all(progress.ended.get(name) is StepStatus.SUCCEEDED for name in step.after)
        and _taken(step, progress)
    ]


def _taken(step: Step, progress: _Progress) -> bool:
    if step.branch is None:
        return True
    condition, outcome = step.branch
    return bool(progress.properties.get(condition, {}).get("Outcome") == str(outcome))
