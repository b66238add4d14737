"""MiniStack's own interpreter of state machines, until ours stands in its place."""

import threading
import time
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any

from local.ministack import functions

# The interpreter sleeps this long before the first state of every execution.
START_DELAY_SECONDS = 0.15

_interrupted: list[str] = []
_waiting_token: ContextVar[str | None] = ContextVar("waiting_token", default=None)


def start_at_once() -> None:
    """Take the fixed sleep before the first state out of the interpreter; Wait states keep theirs."""
    from ministack.services import stepfunctions

    def sleep(seconds: float) -> None:
        if seconds != START_DELAY_SECONDS:
            time.sleep(seconds)

    stepfunctions.time = SimpleNamespace(time=time.time, monotonic=time.monotonic, sleep=sleep)


def fail_waits_whose_function_failed() -> None:
    """Fail a `.waitForTaskToken` state when its function fails, as AWS does; MiniStack waits all the same."""
    from ministack.services import stepfunctions

    wait, call = stepfunctions._invoke_with_callback, stepfunctions._call_lambda

    def invoke_with_callback(resource: str, input_data: Any, token: str, state: Any) -> Any:
        waiting = _waiting_token.set(token)
        try:
            return wait(resource, input_data, token, state)
        finally:
            _waiting_token.reset(waiting)

    def call_lambda(function: str, event: Any) -> Any:
        try:
            return call(function, event)
        except stepfunctions._ExecutionError as error:
            if functions.closing.is_set():
                # Not a failure of the function: the thread ends here, and the execution stays as it is.
                raise SystemExit from None
            token = _waiting_token.get()
            info = stepfunctions._task_tokens.get(token) if token else None
            # A function may have resolved its token before it failed: the first answer counts.
            if info is not None and not info["event"].is_set():
                info["error"] = {"Error": error.error, "Cause": error.cause}
                info["event"].set()
            raise

    stepfunctions._invoke_with_callback = invoke_with_callback
    stepfunctions._call_lambda = call_lambda


def keep_running() -> None:
    """Take up the executions that were running when the state was saved; MiniStack would mark them failed."""
    from ministack.services import stepfunctions

    restore = stepfunctions._restore_state

    def restore_state(data: dict[str, Any]) -> None:
        executions = data.get("executions") if data else None
        running = [one for one in executions.all_values() if one.get("status") == "RUNNING"] if executions else []
        restore(data)
        for execution in running:
            for name in ("stopDate", "error", "cause"):
                execution.pop(name, None)
            execution["status"] = "RUNNING"
            execution["events"] = execution["events"][:1]
            _interrupted.append(execution["executionArn"])

    stepfunctions._restore_state = restore_state


def resume() -> int:
    """Run again, under their own ARN and from their first state, the executions that a stop interrupted.

    Returns how many. Their functions find the work of the first run by the names it used.
    """
    from ministack.services import stepfunctions

    arns = _interrupted.copy()
    _interrupted.clear()
    for arn in arns:
        threading.Thread(target=stepfunctions._run_execution, args=(arn,), daemon=True).start()
    return len(arns)
