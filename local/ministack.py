"""MiniStack inside our process: every one of its private names that we lean on stands in this file.

MiniStack reads its settings from the environment when it is imported, keeps its services in a plain dict and its
state in module globals, so there is one per process. tests/unit/local/test_ministack.py holds a contract test
for each name, so that another version fails there and not at a user's.
"""

import asyncio
import json
import logging
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import botocore.session

from local.settings import ACCOUNT, REGION, LocalSettings

Handler = Callable[
    [str, str, Mapping[str, str], bytes, Mapping[str, list[str]]],
    Awaitable[tuple[int, dict[str, str], bytes]],
]
AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]

# The interpreter sleeps this long before the first state of every execution.
START_DELAY_SECONDS = 0.15
_READS = 5

# As many processes of one function as this start at once; more wait their turn, as a laptop has few cores.
FUNCTION_CONCURRENCY = 4

_closing = threading.Event()
_interrupted: list[str] = []
_waiting_token: ContextVar[str | None] = ContextVar("waiting_token", default=None)
_version_of_event: ContextVar[str | None] = ContextVar("version_of_event", default=None)


def load(settings: LocalSettings) -> AsgiApp:
    """Import MiniStack with our settings and mend what stands between a template and a faithful run."""
    _set_environment(settings)
    from ministack import app as ministack_app

    logging.getLogger("ministack").setLevel(logging.WARNING)
    for name in ("s3", "states", "lambda", "events", "cloudformation", "dynamodb", "persistence"):
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger().setLevel(logging.ERROR)
    _start_executions_at_once()
    _report_exceptions_by_class()
    _run_functions_in_turns()
    _fail_waits_whose_function_failed()
    _put_version_ids_in_object_events()
    _keep_versions_on_disk()
    _keep_running_executions()
    _closing.clear()
    return ministack_app.app  # type: ignore[no-any-return]


def mount(service: str, handler: Handler) -> None:
    """Answer a service (by its signing name) with our own handler."""
    from ministack import app as ministack_app
    from ministack.core import router

    ministack_app.SERVICE_HANDLERS[service] = handler
    # Left alone, the first request for a service that MiniStack itself does not have makes it read every model that
    # botocore ships, to learn whether there is such a service: 430 MB and some seconds.
    names = botocore.session.get_session().get_available_services()
    router._KNOWN_AWS_SERVICE_NAMES = frozenset({*names, service})


def emit(source: str, detail_type: str, detail: Mapping[str, object], resources: Sequence[str]) -> None:
    """Put an event of an AWS service on the default bus; the public PutEvents refuses `aws.*` sources."""
    from ministack.services import eventbridge

    entry = {
        "Source": source,
        "DetailType": detail_type,
        "Detail": json.dumps(detail, default=str),
        "Resources": list(resources),
    }
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)


def save() -> None:
    """Write the state of every service to the state directory; MiniStack itself does so on a clean stop only."""
    from ministack import app as ministack_app
    from ministack.core import persistence

    for name, read in ministack_app._build_persistence_save_dict().items():
        state = _consistent(read)
        if state is not None:
            persistence.save_state(name, state)


def _consistent(read: Callable[[], Any]) -> Any:
    """A service's state, read anew when a request changed it meanwhile; None when it never held still."""
    for _ in range(_READS):
        try:
            return read()
        except RuntimeError:
            # "dictionary changed size during iteration": MiniStack takes no lock around its copies.
            continue
    return None


def close() -> None:
    """Start no function any more: what runs is interrupted as by a crash, and resumed by the next start."""
    _closing.set()
    stop_workers()


def resume_executions() -> int:
    """Run again, under their own ARN and from their first state, the executions that a stop interrupted.

    Returns how many. Their functions find the work of the first run by the names it used.
    """
    from ministack.services import stepfunctions

    arns = _interrupted.copy()
    _interrupted.clear()
    for arn in arns:
        threading.Thread(target=stepfunctions._run_execution, args=(arn,), daemon=True).start()
    return len(arns)


def stop_workers() -> None:
    """End the Lambda processes of the warm pool; they would outlive an embedded server otherwise."""
    runtime = sys.modules.get("ministack.core.lambda_runtime")
    if runtime is not None:
        runtime.reset()


def _set_environment(settings: LocalSettings) -> None:
    # Lambda functions inherit this process's environment: nothing in it may lead to a real account.
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    ministack_dir = settings.state_dir / "ministack"
    _use_temporary_folder(settings.state_dir / "tmp")
    os.environ.update(
        {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": settings.endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(settings.port),
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "MINISTACK_REGION": REGION,
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "LOG_LEVEL": "ERROR",
            "PERSIST_STATE": "1",
            "STATE_DIR": str(ministack_dir / "state"),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(ministack_dir / "s3"),
            "POWERTOOLS_TRACE_DISABLED": "true",
        }
    )


def _use_temporary_folder(folder: Path) -> None:
    """Keep the unpacked code of functions where a killed cloud's leftovers are found and removed by the next one."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)


def _start_executions_at_once() -> None:
    """Take the fixed sleep before the first state out of the interpreter; Wait states keep theirs."""
    from ministack.services import stepfunctions

    def sleep(seconds: float) -> None:
        if seconds != START_DELAY_SECONDS:
            time.sleep(seconds)

    stepfunctions.time = SimpleNamespace(time=time.time, monotonic=time.monotonic, sleep=sleep)


def _report_exceptions_by_class() -> None:
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


def _run_functions_in_turns() -> None:
    """Bound the processes of each function, and start none while the cloud stops; MiniStack has no bound."""
    from ministack.services import lambda_svc

    run = lambda_svc._execute_function_warm
    turns: dict[str, threading.Semaphore] = {}

    def execute(func: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:
        # A limit for each function, not for all: one that calls another must not wait behind itself.
        name = str((func.get("config") or func).get("FunctionName"))
        with turns.setdefault(name, threading.Semaphore(FUNCTION_CONCURRENCY)):
            if _closing.is_set():
                return {"body": {"errorMessage": "stopping", "errorType": "ServiceException"}, "error": True}
            result: dict[str, Any] = run(func, event, request_id)
            return result

    lambda_svc._execute_function_warm = execute


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


def _fail_waits_whose_function_failed() -> None:
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
            if _closing.is_set():
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


def _put_version_ids_in_object_events() -> None:
    """Give EventBridge's `Object Created` the `version-id` that AWS puts there for a versioned bucket."""
    from ministack.services import eventbridge, s3

    fire, dispatch = s3._fire_s3_event, eventbridge._dispatch_event

    def fire_with_version(*args: Any, version_id: str | None = None, **kwargs: Any) -> None:
        token = _version_of_event.set(version_id)
        try:
            fire(*args, version_id=version_id, **kwargs)
        finally:
            _version_of_event.reset(token)

    def dispatch_with_version(event: dict[str, Any], *args: Any) -> None:
        version = _version_of_event.get()
        if version and event.get("Source") == "aws.s3":
            detail = json.loads(event["Detail"])
            detail["object"]["version-id"] = version
            event = {**event, "Detail": json.dumps(detail)}
        dispatch(event, *args)

    s3._fire_s3_event = fire_with_version
    eventbridge._dispatch_event = dispatch_with_version


def _keep_versions_on_disk() -> None:
    """Let go of an object's bytes once they are on disk; MiniStack keeps those of every version in memory."""
    from ministack.services import s3

    persist = s3._persist_object

    def persist_object(bucket: str, key: str, obj: Any) -> None:
        persist(bucket, key, obj)
        if isinstance(obj, dict) and obj.get("body") is None:
            for version in s3._object_versions.get((bucket, key)) or []:
                if version["version_id"] == obj.get("version_id"):
                    version["data"] = None

    s3._persist_object = persist_object


def _keep_running_executions() -> None:
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


async def serve(app: AsgiApp, settings: LocalSettings, stop: asyncio.Event, listening: threading.Event) -> None:
    """Serve on loopback until `stop` is set; `listening` is set once the port accepts connections."""
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"127.0.0.1:{settings.port}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 1
    config.errorlog = None
    config.accesslog = None

    async def trigger() -> None:
        # Hypercorn awaits the trigger only after its sockets listen.
        listening.set()
        await stop.wait()

    await hypercorn_serve(app, config, shutdown_trigger=trigger)
