"""Lambda as AWS runs it, under MiniStack's API: real errors, whole logs, warm calls that wait for nothing.

executor.py is where MiniStack hands an invocation over; turns.py and sharing.py say when it begins; worker.py is an
execution environment in MiniStack's pool, process.py its process seen from here, walls.py what is around that,
runtime.py what it runs.
"""

import sys
from typing import Any

from local.ministack.functions import logs
from local.ministack.functions.environment import Host
from local.ministack.functions.executor import INTERRUPTED, Executor
from local.ministack.functions.turns import FUNCTION_CONCURRENCY, TURN_SECONDS, Turns
from local.ministack.functions.walls import Standing, Subprocess
from local.ministack.functions.worker import Worker, closing
from local.walls.boundary import Boundary

__all__ = ["FUNCTION_CONCURRENCY", "TURN_SECONDS", "close", "install", "stop_workers"]

ACCOUNT_CONCURRENCY = 1000
"""Invocations at once before Lambda refuses one: AWS's default. Those that wait for their turn count."""


def install(boundary: Boundary) -> None:
    """Put our workers under MiniStack's Lambda, behind these walls."""
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc

    closing.clear()
    Standing.boundary = boundary
    lambda_svc.os = lambda_runtime.os = Host()
    lambda_svc.subprocess = lambda_runtime.subprocess = Subprocess()
    if isinstance(lambda_svc._execute_function_warm, Executor):
        return
    others = lambda_runtime._worker_class_for

    def worker_class(config: dict[str, Any]) -> Any:
        return Worker if str(config.get("Runtime", "")).startswith("python") else others(config)

    lambda_runtime._worker_class_for = worker_class
    lambda_svc._execute_function_warm = Executor(lambda_svc._execute_function_warm, Turns())
    lambda_svc._ACCOUNT_CONCURRENCY_CAP = ACCOUNT_CONCURRENCY
    _write_logs_once()
    _answer_interruptions()


def _write_logs_once() -> None:
    from ministack.services import lambda_svc

    emit = lambda_svc._emit_lambda_logs

    def emit_unless_written(*args: Any, log_source: str | None = None) -> None:
        if log_source != logs.WRITTEN:
            emit(*args, log_source=log_source)

    lambda_svc._emit_lambda_logs = emit_unless_written


def _answer_interruptions() -> None:
    from ministack.services import lambda_svc

    invoke = lambda_svc._invoke

    async def invoke_with_service_errors(*args: Any, **options: Any) -> tuple[int, dict[str, str], bytes]:
        status, headers, body = await invoke(*args, **options)
        # MiniStack knows one refusal of Lambda's own, a throttle, which is the caller's fault; this one is not.
        interrupted = status == 429 and INTERRUPTED["__type"].encode() in body
        return (500 if interrupted else status), headers, body

    lambda_svc._invoke = invoke_with_service_errors


def close() -> None:
    """Start no function any more, and interrupt those that run; whoever called them hears of a ServiceException."""
    closing.set()
    stop_workers()


def stop_workers() -> None:
    """End the processes of functions; they would outlive an embedded server otherwise."""
    runtime = sys.modules.get("ministack.core.lambda_runtime")
    if runtime is not None:
        runtime.reset()
