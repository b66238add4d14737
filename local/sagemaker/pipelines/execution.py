"""One pipeline execution: a graph walked by one thread, a step at a time remembered.

A step's end is committed before anything that depends on it starts. After a crash the walk goes on from there:
finished steps are not run again; an interrupted one waits on for what it waited for, where that is still there, and
else is run again, as a new job under a new name.
"""

import logging
import queue
import threading
from contextlib import suppress
from dataclasses import dataclass

from local.documents import Document
from local.sagemaker.pipelines import steps
from local.sagemaker.pipelines.definition import Definition, Step, parse
from local.sagemaker.pipelines.journal import ExecutionStatus, Journal, StepEnd
from local.sagemaker.pipelines.kinds import StepType
from local.sagemaker.pipelines.progress import Progress, StepStatus, ready
from local.sagemaker.pipelines.run import Hold, Reach, Result, Run, StepFailed
from local.sagemaker.pipelines.scope import scope_of
from local.sagemaker.wire.errors import SageMakerError
from local.store import StoreClosed

logger = logging.getLogger(__name__)

STEPS_FAILED = "Step failure: One or multiple steps failed."
_DEFAULT_PARALLEL = 50
"""AWS's own."""


@dataclass(frozen=True, slots=True)
class _Ended:
    step: Step
    result: Result | StepFailed


class Execution:
    """One execution, walked by the thread that calls `run`."""

    def __init__(self, reach: Reach, key: str) -> None:
        self._reach = reach
        self.journal = Journal(reach.machine, key)
        self._messages: queue.Queue[_Ended | None] = queue.Queue()
        self._stopping = threading.Event()
        self._leaving = threading.Event()
        self._ending = threading.Event()
        """Either of both: what a step that pauses waits for."""
        self._overdue = False
        self._holds: dict[str, Hold] = {}
        self._lock = threading.Lock()

    # From other threads.

    def stop(self) -> None:
        self._stopping.set()
        self._ending.set()
        self._messages.put(None)
        with self._lock:
            holds = list(self._holds.items())
        for name, hold in holds:
            self._stop_step(name, hold)

    def leave(self) -> None:
        self._leaving.set()
        self._ending.set()
        self._messages.put(None)
        with self._lock:
            holds = list(self._holds.values())
        for hold in holds:
            hold.leave()

    def look(self) -> None:
        self._messages.put(None)

    def hold(self, step: Step, hold: Hold) -> None:
        """Notes that the step waits for something; `hold` ends that."""
        with self._lock:
            self._holds[step.name] = hold
        if self._leaving.is_set():
            hold.leave()
        elif self._stopping.is_set():
            # The stop came before the step was known to wait.
            self._stop_step(step.name, hold)

    def _stop_step(self, name: str, hold: Hold) -> None:
        self.journal.step_stopping(name)
        # It has ended in the meantime, or cannot be told: the end of the step says which.
        with suppress(SageMakerError):
            hold.stop()

    def pause(self, seconds: float) -> bool:
        return not self._ending.wait(seconds)

    # The walk.

    def run(self) -> None:
        try:
            self._run()
        except StoreClosed:
            # The next start goes on with what is stored.
            return
        except Exception as error:
            if self._leaving.is_set():
                return
            logger.exception("pipeline execution %s", self.journal.key)
            self.journal.set_status(ExecutionStatus.FAILED, f"InternalServerError: {type(error).__name__}: {error}")

    def _run(self) -> None:
        document = self.journal.document()
        definition = parse(self.journal.definition())
        if ExecutionStatus(document["PipelineExecutionStatus"]) is ExecutionStatus.STOPPING:
            self._stopping.set()
            self._ending.set()
        progress, interrupted = self._remembered(document, definition)
        for step, stored in interrupted:
            self._go_on(step, stored, document, definition, progress)
        limit = _limit(document)
        while not self._leaving.is_set():
            progress.halted = progress.halted or self._stopping.is_set()
            for step in ready(definition, progress)[: max(0, limit - len(progress.running))]:
                self._start(step, document, definition, progress)
            if not progress.running:
                break
            message = self._messages.get()
            if self._leaving.is_set():
                break
            if message is None:
                limit = _limit(self.journal.document())
            else:
                self._record(message, progress)
        if not self._leaving.is_set():
            self._end(progress)

    def _remembered(self, document: Document, definition: Definition) -> tuple[Progress, list[tuple[Step, Document]]]:
        """Returns where the walk stood, and the steps that were at work."""
        selected = document.get("_Selected")
        progress = Progress(selected=None if selected is None else frozenset(selected))
        interrupted = []
        for name, stored in self.journal.steps().items():
            step, status = definition.steps[name], StepStatus(stored["StepStatus"])
            if status.final:
                progress.end(step, status, stored.get("_Properties"))
            else:
                interrupted.append((step, stored))
        return progress, interrupted

    def _go_on(
        self, step: Step, stored: Document, document: Document, definition: Definition, progress: Progress
    ) -> None:
        if self._stopping.is_set() and step.type != StepType.CALLBACK and not stored.get("_Job"):
            self.journal.step_ended(step, StepEnd(StepStatus.STOPPED))
            progress.end(step, StepStatus.STOPPED, None)
            return
        self._work(step, document, definition, progress, stored)

    def _start(self, step: Step, document: Document, definition: Definition, progress: Progress) -> None:
        self.journal.step_started(step)
        self._work(step, document, definition, progress, None)

    def _work(
        self, step: Step, document: Document, definition: Definition, progress: Progress, interrupted: Document | None
    ) -> None:
        progress.running.add(step.name)
        run = Run(
            reach=self._reach,
            step=step,
            scope=scope_of(self._reach.machine, self.journal, document, definition, dict(progress.properties)),
            execution_id=self.journal.execution_id,
            execution_arn=self.journal.execution_arn,
            pipeline=self.journal.pipeline,
            watch=_Watch(self, step),
            interrupted=interrupted,
        )
        name = f"step-{self.journal.execution_id}-{step.name}"
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
            logger.exception("step %s of %s", run.step.name, self.journal.key)
            result = StepFailed(f"InternalServerError: {type(error).__name__}: {error}")
        self._messages.put(_Ended(run.step, result))

    def _record(self, message: _Ended, progress: Progress) -> None:
        step, result = message.step, message.result
        with self._lock:
            self._holds.pop(step.name, None)
        end = self._end_of(result)
        self.journal.step_ended(step, end)
        progress.end(step, end.status, end.properties)

    def _end_of(self, result: Result | StepFailed) -> StepEnd:
        if isinstance(result, Result):
            cache_key = result.cache_key if result.cache_hit is None else None
            return StepEnd(
                StepStatus.SUCCEEDED,
                metadata=result.metadata,
                properties=result.properties,
                cache_key=cache_key,
                cache_hit=result.cache_hit,
            )
        if self._stopping.is_set() and not result.overdue:
            return StepEnd(StepStatus.STOPPED, metadata=result.metadata)
        self._overdue = self._overdue or result.overdue
        return StepEnd(StepStatus.FAILED, reason=str(result), metadata=result.metadata)

    def _end(self, progress: Progress) -> None:
        if self._stopping.is_set() and not self._overdue:
            self.journal.set_status(ExecutionStatus.STOPPED)
        elif progress.failed:
            self.journal.set_status(ExecutionStatus.FAILED, STEPS_FAILED)
        else:
            self.journal.set_status(ExecutionStatus.SUCCEEDED)


@dataclass(frozen=True, slots=True)
class _Watch:
    """What a step's own thread tells its execution."""

    execution: Execution
    step: Step

    def executing(self, metadata: Document, hold: Hold | None = None, job: str | None = None) -> None:
        self.execution.journal.step_executing(self.step, metadata, job)
        if hold is not None:
            self.execution.hold(self.step, hold)

    def attempt(self, number: int) -> None:
        self.execution.journal.step_attempt(self.step, number)

    def pause(self, seconds: float) -> bool:
        return self.execution.pause(seconds)


def _limit(document: Document) -> int:
    configured = document.get("ParallelismConfiguration") or {}
    return int(configured.get("MaxParallelExecutionSteps", _DEFAULT_PARALLEL))
