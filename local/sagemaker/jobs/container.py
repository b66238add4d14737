"""A job's containers: run to their end, their deadline or their stop, and the reason when one failed."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from local.sagemaker.jobs.job import Job
from local.sagemaker.jobs.volume import Volume
from local.sagemaker.machine.logs import LogStream
from local.sagemaker.machine.processes.process import ContainerProcess
from local.walls.command import Command

_MAX_MESSAGE = 4096


class Cause(Enum):
    """Why the containers ended."""

    ITSELF = "by itself"
    STOPPED = "someone asked for it"
    OVERRAN = "it ran longer than it may"
    OVERFULL = "its files took more than its volume holds"


@dataclass(frozen=True, slots=True)
class Run:
    """One container to run."""

    command: Command
    log: LogStream
    volume: Volume
    on_line: Callable[[str], None] | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """How the containers ended."""

    cause: Cause
    code: int
    """Of the first that failed; 128 + signal when it was killed. 0 when none did."""
    index: int
    """Which of them that was, or whose volume is full."""

    @property
    def ok(self) -> bool:
        return self.cause is Cause.ITSELF and self.code == 0


def run(job: Job, runs: Sequence[Run], max_seconds: float) -> Ending:
    """Runs all the containers at once. The first that fails, like a stop, ends the others."""
    if job.stop_asked.is_set():
        return Ending(Cause.STOPPED, 0, 0)
    processes: list[ContainerProcess] = []
    try:
        for run in runs:
            processes.append(
                ContainerProcess(job.machine.boundary, run.command, run.log, run.on_line, on_exit=job.wake.set)
            )
        cause, index = _watch(job, processes, runs, time.monotonic() + max_seconds)
    finally:
        _stop(processes, runs, job.machine.settings.grace_seconds)
    code = processes[index].code if cause is Cause.ITSELF else 0
    return Ending(cause, 137 if code is None else code, index)


def _watch(job: Job, processes: Sequence[ContainerProcess], runs: Sequence[Run], deadline: float) -> tuple[Cause, int]:
    """Waits until there is nothing more to wait for; the number is the process that decided it."""
    look_again = 0.0
    while True:
        # Cleared before the look: what happens after it sets the event again.
        job.wake.clear()
        failed = [n for n, process in enumerate(processes) if process.exited.is_set() and process.code != 0]
        if failed:
            return Cause.ITSELF, failed[0]
        if all(process.exited.is_set() for process in processes):
            return Cause.ITSELF, 0
        if job.stop_asked.is_set():
            return Cause.STOPPED, 0
        if time.monotonic() >= deadline:
            return Cause.OVERRAN, 0
        if time.monotonic() >= look_again:
            full = [n for n, run in enumerate(runs) if run.volume.is_overfull()]
            if full:
                return Cause.OVERFULL, full[0]
            look_again = time.monotonic() + max(run.volume.pause for run in runs)
        job.wake.wait(max(0.0, min(deadline, look_again) - time.monotonic()))


def _stop(processes: Sequence[ContainerProcess], runs: Sequence[Run], grace_seconds: float) -> None:
    """Sends SIGTERM to all, then after one grace for all SIGKILL."""
    for process in processes:
        process.terminate()
    until = time.monotonic() + grace_seconds
    for process in processes:
        process.exited.wait(max(0.0, until - time.monotonic()))
    # Fewer processes than runs: starting one of them failed.
    for process, run in zip(processes, runs, strict=False):
        if not process.exited.is_set():
            run.log.write(f"[local] killed: it did not end within {grace_seconds:g} s of SIGTERM (AWS waits 120 s)")
            process.kill()


def failure_reason(code: int, message: str, log: LogStream) -> str:
    """Returns the container's own words where it left some, otherwise the end of its standard error."""
    said = message or log.tail_text() or "the container said nothing"
    return f"AlgorithmError: {said}, exit code: {code}"


def message(file: Path) -> str:
    """Returns what a container wrote to its failure or message file; empty where it wrote none."""
    try:
        with file.open("rb") as opened:
            return opened.read(_MAX_MESSAGE).decode("utf-8", "replace").strip()
    except OSError:
        return ""
