"""The pipeline executions that run now, each walked by a thread of its own (`execution.py`)."""

import threading
import time
from collections.abc import Callable

from local.documents import Document
from local.sagemaker.jobs.runner import Jobs
from local.sagemaker.machine.machine import Machine
from local.sagemaker.pipelines.execution import Execution
from local.sagemaker.pipelines.journal import EXECUTION, ExecutionStatus
from local.sagemaker.pipelines.run import Reach
from local.sagemaker.pipelines.waiting import Waiting


class Executions:
    """Every running execution of this cloud."""

    def __init__(self, machine: Machine, jobs: Jobs, call: Callable[[str, Document], Document]) -> None:
        """`call` runs an operation of SageMaker by its name; those on executions need not be among them."""
        self.machine = machine
        self.waiting = Waiting()
        self._reach = Reach(machine, jobs, call, self.waiting)
        self._live: dict[str, Execution] = {}
        self._closing = False
        # Guards both and tells of every walk that ends.
        self._lock = threading.Condition()

    def start(self, key: str) -> None:
        """Runs, or goes on with, the execution whose document is stored."""
        execution = Execution(self._reach, key)
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
                    if self._live.get(key) is execution:
                        self._live.pop(key)
                    self._lock.notify_all()

        threading.Thread(target=run, name=f"pipeline-{key}", daemon=True).start()

    def stop(self, key: str) -> None:
        """Stops the execution, whose document says Stopping already."""
        execution = self._find(key)
        if execution is not None:
            execution.stop()

    def look(self, key: str) -> None:
        """Has the execution look again, as it was changed how many steps may run at once."""
        execution = self._find(key)
        if execution is not None:
            execution.look()

    def _find(self, key: str) -> "Execution | None":
        with self._lock:
            return self._live.get(key)

    def resume(self) -> None:
        """Goes on, at the start, with the executions that the last local cloud was at."""
        for key, document in self.machine.store.items(EXECUTION):
            status = ExecutionStatus(document["PipelineExecutionStatus"])
            if not status.final:
                self.start(key)

    def stop_all(self) -> None:
        """Leaves every execution as it is stored; the next start goes on with it. `join` waits for the walks' end.

        A step that blocks on what is not ours (a function that runs) is not waited for: nobody listens to its end.
        """
        with self._lock:
            self._closing = True
            live = list(self._live.values())
        for execution in live:
            execution.leave()

    def join(self, deadline: float) -> None:
        """Waits until the walks have ended, or it is `deadline` (time.monotonic)."""
        with self._lock:
            self._lock.wait_for(lambda: not self._live, max(0.0, deadline - time.monotonic()))
