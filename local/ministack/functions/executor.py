"""How MiniStack's Lambda runs a function: in its turn, in an environment of the pool, answered as AWS answers."""

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from local.ministack.functions import logs
from local.ministack.functions.reports import Outcome
from local.ministack.functions.runtime import DEPTH_VARIABLE
from local.ministack.functions.sharing import Sharing, Started
from local.ministack.functions.turns import Turns
from local.ministack.functions.worker import Invocation, Worker, closing

Result = dict[str, Any]
"""MiniStack's: `body`, and `error`, `throttle`, `log`, `log_source` where they say something."""
Execute = Callable[[dict[str, Any], Any, str], Result]

HOLD_SECONDS = 0.5
"""How long an interrupted call is left without its answer."""

INTERRUPTED: Mapping[str, str] = {
    "__type": "ServiceException",
    "message": "The local cloud is stopping; the invocation was interrupted.",
}

# The stack of a Node.js error begins with its class and message.
_NODE_CLASS = re.compile(r"[A-Za-z_$][\w$.]*(?=:|\n|$)")


class Executor:
    """Takes the place of MiniStack's `_execute_function_warm`, which it calls where there is no code to run."""

    def __init__(self, ministack: Execute, turns: Turns) -> None:
        self._ministack = ministack
        self._turns = turns
        self._sharing = Sharing()

    def __call__(self, func: dict[str, Any], event: Any, request_id: str) -> Result:
        from ministack.services import lambda_svc

        config = func.get("config") or func
        if not func.get("code_zip"):
            return self._ministack(func, event, request_id)
        # What no function calls (an event, a schedule) is as deep as a client's call.
        depth = max(1, lambda_svc._invoke_depth.get())
        with self._turns.take(str(config.get("FunctionName")), depth) as mine:
            if not mine:
                result: Result = lambda_svc._throttle_response("ConcurrentInvocationLimitExceeded", "Rate Exceeded.")
                return result
            outcome = self._run(func, event, request_id, depth)
        if outcome is None or (outcome.failed and closing.is_set()):
            # Nothing that the function did: whoever called must not take it for its answer. Our engines stop
            # meanwhile, and will not hear it at all.
            time.sleep(HOLD_SECONDS)
            return {"body": dict(INTERRUPTED), "error": True, "throttle": True, "log": ""}
        result = {"body": outcome.body, "log": outcome.log}
        if outcome.stream:
            logs.write(logs.group_of(config), outcome.stream, outcome.log)
            result["log_source"] = logs.WRITTEN
        return {**result, "error": True} if outcome.failed else result

    def _run(self, func: Mapping[str, Any], event: Any, request_id: str, depth: int) -> Outcome | None:
        """Returns None where the cloud stops and nothing is started any more."""
        config = func.get("config") or func
        function = f"{config.get('FunctionName')}:{config.get('Version')}"
        with self._sharing.environment(function, depth) as started:
            return None if closing.is_set() else _run(func, event, request_id, depth, started)


def _run(func: Mapping[str, Any], event: Any, request_id: str, depth: int, started: Started) -> Outcome:
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc

    config = func.get("config") or func
    lambda_svc._ensure_reaper_thread()
    worker, _ = lambda_runtime.acquire_worker(
        str(config.get("FunctionName")), config, func["code_zip"], qualifier=config.get("Version", "$LATEST")
    )
    trace, durable = lambda_svc._xray_trace_id_for_invocation(config), lambda_svc._durable_env_overlay()
    arn = str(config.get("FunctionArn", ""))
    try:
        if isinstance(worker, Worker):
            per_call = {
                "_X_AMZN_TRACE_ID": trace,
                DEPTH_VARIABLE: str(depth) if depth else None,
                **{name: durable.get(name) for name in lambda_runtime.DURABLE_ENV_VARS},
            }
            return worker.run(Invocation(event, request_id, arn, per_call), started)
        reply = worker.invoke(event, request_id, trace_id=trace, invoked_function_arn=arn, depth=depth, durable=durable)
        return _of_node(reply)
    except Exception as error:  # noqa: BLE001 - no process could be started: Lambda's failure, told to the caller
        body = {"errorType": "Runtime.InvalidEntrypoint", "errorMessage": f"RequestId: {request_id} Error: {error}"}
        return Outcome(body, True, str(error))
    finally:
        lambda_runtime.release_worker(worker)


def _of_node(reply: Mapping[str, Any]) -> Outcome:
    """Returns what MiniStack's own worker for Node.js answers, with the error document that AWS's runtime makes
    of it.
    """
    log = str(reply.get("log", ""))
    if reply.get("status") == "ok":
        return Outcome(reply.get("result"), False, log)
    message, trace = str(reply.get("error", "")), str(reply.get("trace") or "")
    named = _NODE_CLASS.match(trace)
    if message.startswith("Task timed out after"):
        body: dict[str, Any] = {"errorType": "Sandbox.Timedout", "errorMessage": message}
    elif named:
        body = {"errorType": named[0], "errorMessage": message, "trace": trace.splitlines()}
    else:
        body = {"errorType": "Runtime.ExitError", "errorMessage": message}
    return Outcome(body, True, "\n".join(part for part in (log, trace) if part))
