"""Tasks that call Lambda functions and services, carried out beside the engine.

A task goes through a lane of worker threads: started, called, answered. One that waits for its work gives its thread
back meanwhile. Next: `optimized` and `sdk` for what is called, `jobs` and `states` for what is waited for.
"""

import logging
import threading
import time
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from local.stepfunctions.asl import errors
from local.stepfunctions.asl.documents import decode
from local.stepfunctions.asl.resources import Pattern, Resource, ResourceKind
from local.stepfunctions.integrations import jobs, lambdas, optimized, sdk, states
from local.stepfunctions.integrations.call import Call
from local.stepfunctions.integrations.clients import Clients
from local.stepfunctions.integrations.job import Job
from local.stepfunctions.integrations.lanes import Lanes
from local.stepfunctions.integrations.task import Task, TaskError, Unreachable, World
from local.stepfunctions.integrations.waiting import FIRST_SECONDS, Waits, longer
from local.stepfunctions.interpreter.commands import ScheduleTask

logger = logging.getLogger(__name__)

CLOSE_SECONDS = 3.0
_GRACE_SECONDS = 0.5


@dataclass(slots=True, eq=False)
class _Work:
    """A task that is being carried out."""

    task: Task
    job: Job | None = None
    cancelled: bool = False


class Integrations:
    """Carries out tasks. Every method may be called from any thread; only `answer` and `close` take their time."""

    def __init__(self, world: World) -> None:
        self.closing = threading.Event()
        """Set as soon as the cloud stops: what fails from then on is no failure of a task, which is carried out again
        after the restart."""
        self._world = world
        self._clients = Clients(world.client)
        self._lanes = Lanes()
        self._waits = Waits()
        self._lock = threading.Lock()
        self._works: dict[str, _Work] = {}

    def perform(self, task: Task) -> None:
        """Have it carried out; after a crash, go on with it. Activities are somebody else's."""
        command = task.command
        if command.submission is not None and command.resource.pattern is Pattern.WAIT_FOR_TASK_TOKEN:
            # The token answers.
            return
        work = _Work(task)
        with self._lock:
            self._works[task.key] = work
        self._lanes.submit(_lane(command.resource, command.arguments), lambda: self._carry_out(work))

    def cancel(self, key: str) -> None:
        """Cancels a task whose answer is no longer wanted; work that it waits for is stopped, as AWS does."""
        with self._lock:
            work = self._works.pop(key, None)
            if work is None:
                return
            work.cancelled = True
            job = work.job
        if job is not None:
            self._stop(work, job)

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """End the threads, in bounded time. What was under way stays as it is, to be gone on with."""
        self.closing.set()
        deadline = time.monotonic() + seconds
        self._waits.close(seconds)
        self._lanes.close(max(0.1, deadline - time.monotonic()))
        self._clients.close()

    def answer(self, command: ScheduleTask, *, execution_arn: str = "", machine_arn: str = "") -> str:
        """Returns the result of a task that is called and not waited for, as JSON. For TestState. Raises TaskError."""
        try:
            return _perform(self._call(command, str(uuid4()), execution_arn, machine_arn))
        except TaskError:
            raise
        except Exception as error:
            raise _surprise(error) from error

    # In a lane.

    def _carry_out(self, work: _Work) -> None:
        if work.cancelled or self.closing.is_set():
            return
        task = work.task
        try:
            if not task.command.started:
                task.started()
            self._attempt(work)
        except Unreachable as error:
            # Perhaps the endpoint is being stopped, and we are told so in a moment.
            self.closing.wait(_GRACE_SECONDS)
            self._failed(work, error)
        except TaskError as error:
            self._failed(work, error)
        except Exception as error:
            # The edge of the thread: whatever went wrong is the task's end, or it would never have one.
            logger.exception("task %s of %s", task.command.state, task.execution_arn)
            self._failed(work, _surprise(error))

    def _attempt(self, work: _Work) -> None:
        task = work.task
        command = task.command
        call = self._call(command, task.key, task.execution_arn, task.machine_arn)
        match command.resource.pattern:
            case Pattern.SYNC | Pattern.SYNC_2:
                self._begin(work, call)
            case Pattern.WAIT_FOR_TASK_TOKEN:
                output = _perform(call)
                if self._forget(work):
                    task.submitted(output)
            case _:
                self._succeeded(work, _perform(call))

    def _begin(self, work: _Work, call: Call) -> None:
        command, is_execution = work.task.command, call.resource.service == "states"
        if not is_execution:
            jobs.waited(call)
        submitted = _perform(call) if command.submission is None else command.submission
        started = decode(submitted)
        job = states.job(call, started) if is_execution else jobs.job(call, started)
        with self._lock:
            work.job = job
            cancelled = work.cancelled
        if cancelled:
            # Cancelled while it was being started.
            self._stop(work, job)
            return
        if command.submission is None:
            work.task.submitted(submitted)
        self._wait(work, job)

    def _wait(self, work: _Work, job: Job) -> None:
        if job.execution is None:
            self._look_after(work, job, FIRST_SECONDS)
            return
        try:
            self._world.when_over(job.execution, lambda _: self._look_now(work, job, FIRST_SECONDS))
        except Exception:  # noqa: BLE001
            # Not an execution of this cloud's engine: it is asked for from time to time.
            self._look_after(work, job, FIRST_SECONDS)

    def _look_after(self, work: _Work, job: Job, delay: float) -> None:
        self._waits.after(delay, lambda: self._look_now(work, job, delay))

    def _look_now(self, work: _Work, job: Job, delay: float) -> None:
        if not work.cancelled:
            self._lanes.submit((work.task.command.resource.service, "describe"), lambda: self._look(work, job, delay))

    def _look(self, work: _Work, job: Job, delay: float) -> None:
        if not self._is_wanted(work):
            return
        try:
            output = job.look()
        except Unreachable:
            output = None
        except TaskError as error:
            self._failed(work, error)
            return
        except Exception as error:
            logger.exception("waiting for task %s", work.task.command.state)
            self._failed(work, _surprise(error))
            return
        if output is None:
            self._look_after(work, job, longer(delay))
        else:
            self._succeeded(work, output)

    def _stop(self, work: _Work, job: Job) -> None:
        def stop() -> None:
            try:
                job.stop()
            except Exception as error:  # noqa: BLE001
                # It may be over by itself; nobody waits for it any more.
                logger.info("task %s was not stopped: %s", work.task.command.state, error)

        self._lanes.submit((work.task.command.resource.service, "stop"), stop)

    # Its end.

    def _succeeded(self, work: _Work, output: str) -> None:
        if self._forget(work):
            work.task.succeeded(output)

    def _failed(self, work: _Work, error: TaskError) -> None:
        if not self.closing.is_set() and self._forget(work):
            work.task.failed(error.error, error.cause)

    def _is_wanted(self, work: _Work) -> bool:
        return not work.cancelled and not self.closing.is_set()

    def _forget(self, work: _Work) -> bool:
        """Tells whether its answer was still wanted; from now on none is."""
        with self._lock:
            is_wanted = self._works.get(work.task.key) is work
            if is_wanted:
                del self._works[work.task.key]
            return is_wanted

    def _call(self, command: ScheduleTask, key: str, execution_arn: str, machine_arn: str) -> Call:
        return Call(
            resource=command.resource,
            arguments=command.arguments,
            state=command.state,
            entered=max(command.task - 1, 0),
            key=key,
            execution_arn=execution_arn,
            machine_arn=machine_arn,
            repeated=command.started,
            credentials=command.credentials,
            client=self._clients.of(command.credentials),
            world=self._world,
        )


def _surprise(error: Exception) -> TaskError:
    """Makes the error of what no integration foresaw."""
    return TaskError(errors.RUNTIME, f"{type(error).__name__}: {error}")


def _perform(call: Call) -> str:
    if call.resource.kind is ResourceKind.LAMBDA:
        return lambdas.direct(call)
    if call.resource.service.startswith("aws-sdk:"):
        return sdk.perform(call)
    return optimized.perform(call)


def _lane(resource: Resource, arguments: Any) -> Hashable:
    """Calls that may wait for each other's work must not share a lane: functions, and machines run synchronously."""
    if resource.kind is ResourceKind.LAMBDA or resource.service in ("lambda", "aws-sdk:lambda"):
        return "lambda", lambdas.lane(arguments, resource.arn)
    if resource.action == "startSyncExecution" and isinstance(arguments, dict):
        return resource.service, resource.action, str(arguments.get("StateMachineArn"))
    return resource.service, resource.action
