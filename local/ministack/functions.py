"""Lambda as MiniStack runs it: bounded, and with the errors that AWS reports."""

import sys
import threading
from typing import Any

# As many processes of one function as this start at once; more wait their turn, as a laptop has few cores.
FUNCTION_CONCURRENCY = 4

closing = threading.Event()
"""Set while the cloud stops: no function is started any more."""


def exception_class(log: str, message: str) -> str:
    """The class name at the end of a traceback, or `Runtime.HandlerError` where there is none.

    `log` ends with the traceback; its last line starts with the dotted class name, then `: ` and the message.
    """
    text = log.rstrip()
    if message and text.endswith(message.rstrip()):
        text = text[: len(text) - len(message.rstrip())]
    last = text.rstrip().rpartition("\n")[2].strip().rstrip(":").strip()
    name = last.rpartition(".")[2]
    return name if name.isidentifier() else "Runtime.HandlerError"


def report_exceptions_by_class() -> None:
    """Name a Lambda error by its exception class, as AWS does, so that Retry and Catch by name work."""
    from ministack.services import lambda_svc

    run = lambda_svc._execute_function_warm

    def execute(func: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:
        result: dict[str, Any] = run(func, event, request_id)
        body = result.get("body")
        if result.get("error") and isinstance(body, dict) and body.get("errorType") == "Runtime.HandlerError":
            body["errorType"] = exception_class(str(result.get("log", "")), str(body.get("errorMessage", "")))
        return result

    lambda_svc._execute_function_warm = execute


def run_in_turns() -> None:
    """Bound the processes of each function, and start none while the cloud stops; MiniStack has no bound."""
    from ministack.services import lambda_svc

    run = lambda_svc._execute_function_warm
    turns: dict[str, threading.Semaphore] = {}

    def execute(func: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:
        # A limit for each function, not for all: one that calls another must not wait behind itself.
        name = str((func.get("config") or func).get("FunctionName"))
        with turns.setdefault(name, threading.Semaphore(FUNCTION_CONCURRENCY)):
            if closing.is_set():
                return {"body": {"errorMessage": "stopping", "errorType": "ServiceException"}, "error": True}
            result: dict[str, Any] = run(func, event, request_id)
            return result

    lambda_svc._execute_function_warm = execute


def stop_workers() -> None:
    """End the Lambda processes of the warm pool; they would outlive an embedded server otherwise."""
    runtime = sys.modules.get("ministack.core.lambda_runtime")
    if runtime is not None:
        runtime.reset()
