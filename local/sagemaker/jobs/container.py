"""A job's container: run to its end, its deadline or its stop, and the reason when it failed."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from local.sagemaker.context import Context
from local.sagemaker.jobs.runner import Job
from local.sagemaker.logs import LogStream
from local.sagemaker.processes.process import Command, ContainerProcess

_MAX_MESSAGE = 4096


@dataclass(frozen=True, slots=True)
class Ending:
    """How the container ended."""

    code: int
    """128 + signal when it was killed."""
    overran: bool
    """It was stopped for running longer than it may."""
    stopped: bool
    """It was stopped because someone asked."""

    @property
    def ok(self) -> bool:
        return self.code == 0 and not self.overran and not self.stopped


def run(
    context: Context,
    job: Job,
    command: Command,
    log: LogStream,
    max_seconds: float,
    on_line: Callable[[str], None] = lambda _: None,
) -> Ending:
    if job.stop_asked.is_set():
        return Ending(code=0, overran=False, stopped=True)
    process = ContainerProcess(context.boundary, command, log, on_line, on_exit=job.wake.set)
    job.process = process
    in_time = job.wake.wait(max_seconds)
    ended_by_itself = process.exited.is_set()
    if not ended_by_itself:
        process.stop(context.settings.grace_seconds)
    code = process.wait()
    return Ending(
        code=137 if code is None else code,
        overran=not in_time and not ended_by_itself,
        stopped=in_time and not ended_by_itself,
    )


def failure_reason(code: int, message: str, log: LogStream) -> str:
    """The container's own words where it left some, otherwise the end of its standard error."""
    said = message or log.tail_text() or "the container said nothing"
    return f"AlgorithmError: {said}, exit code: {code}"


def message(file: Path) -> str:
    """What a container wrote to its failure or message file; empty where it wrote none."""
    try:
        with file.open("rb") as opened:
            return opened.read(_MAX_MESSAGE).decode("utf-8", "replace").strip()
    except OSError:
        return ""
