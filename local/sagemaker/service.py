"""The door: one HTTP request in, one answer out; and the life of everything behind it.

The control plane speaks JSON 1.1 (X-Amz-Target: SageMaker.<Operation>); the runtime speaks REST under /endpoints/.
"""

import asyncio
import json
import logging
import re
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from urllib.parse import unquote

from local.sagemaker.endpoints import asynchronous, invoke, streaming
from local.sagemaker.endpoints.hosting import Endpoints
from local.sagemaker.endpoints.streaming import Parts
from local.sagemaker.jobs.kinds import KINDS
from local.sagemaker.jobs.runner import Jobs
from local.sagemaker.machine.environments import Environments, Progress
from local.sagemaker.machine.events import Outbox
from local.sagemaker.machine.logs import Shipper
from local.sagemaker.machine.machine import Machine
from local.sagemaker.machine.metrics import Meter
from local.sagemaker.machine.processes.docker import DockerImages
from local.sagemaker.machine.processes.isolation import probe
from local.sagemaker.machine.settings import Isolation, Settings
from local.sagemaker.operations import Operations
from local.sagemaker.pipelines.executions import Executions
from local.sagemaker.wire import patience
from local.sagemaker.wire.arns import Arns
from local.sagemaker.wire.errors import (
    ApiError,
    EndpointValidationError,
    ServiceUnavailable,
    UnknownOperation,
    ValidationException,
)
from local.store import Store, StoreClosed
from local.surroundings import Cloud, Request, Response, Streamed
from local.walls.boundary import Boundary
from local.walls.groups import NOT_BOUNDED, Groups

logger = logging.getLogger(__name__)

_Answered = tuple[int, dict[str, str], bytes | Parts]

_TARGET = "SageMaker."
_RUNTIME = re.compile(r"/endpoints/([^/]+)/(invocations|async-invocations|invocations-response-stream)/?$")
# An invocation, or a client that looks seldom, may hold its thread; the control plane must not wait behind those.
_CONTROL_THREADS, _INVOCATION_THREADS = 16, 128
_STOP_SECONDS = 3.0
"""Of a stop, beyond the grace that containers have."""
_NOT_RUNNING = ServiceUnavailable("The local SageMaker is not running.")


@dataclass(frozen=True, slots=True)
class _Running:
    """What there is between a start and the next stop."""

    machine: Machine
    jobs: Jobs
    endpoints: Endpoints
    executions: Executions
    operations: Operations


class SageMaker:
    """SageMaker of one account and region. Answers 503 before `start` and after `stop`."""

    def __init__(self, cloud: Cloud, settings: Settings) -> None:
        self._cloud = cloud
        self._settings = settings
        kind = DockerImages if settings.isolation == Isolation.DOCKER else Environments
        self._environments = kind(settings.cache_dir, settings.images, settings.image_map)
        self._running: _Running | None = None
        self._control: ThreadPoolExecutor | None = None
        self._invocations: ThreadPoolExecutor | None = None

    @property
    def isolation(self) -> Boundary | None:
        """What stands between a container and this machine; None until started."""
        return self._running.machine.boundary if self._running is not None else None

    def warm(self, image: str, progress: Progress = lambda _: None) -> None:
        """Builds the environment of an image ahead of need; may be called from any thread, before `start` too.

        Raises ImageError.
        """
        self._environments.warm(image, progress)

    def start(self, groups: Groups = NOT_BOUNDED) -> None:
        """Opens the store and goes on with what it holds. The rest of the cloud must be reachable.

        Raises IsolationError where the settings ask for more than the kernel gives, and DatabaseUnusable.
        """
        settings = self._settings
        boundary = replace(probe(settings.isolation), groups=groups)
        store = Store(settings.state_dir / "sagemaker.db")
        self._environments.start()
        machine = Machine(
            settings=settings,
            cloud=self._cloud,
            store=store,
            arns=Arns(settings.partition, settings.region, settings.account),
            outbox=Outbox(store, self._cloud),
            shipper=Shipper(self._cloud),
            environments=self._environments,
            boundary=boundary,
            meter=Meter(self._cloud),
        )
        jobs = Jobs(machine, KINDS)
        endpoints = Endpoints(machine)
        operations = Operations(machine, jobs, endpoints)
        executions = Executions(machine, jobs, operations.call)
        operations.add(executions)
        machine.outbox.start()
        machine.shipper.start()
        machine.meter.start()
        # Jobs first: an execution that is resumed runs its interrupted step as a new one.
        jobs.recover()
        endpoints.restore()
        executions.resume()
        self._control = ThreadPoolExecutor(_CONTROL_THREADS, "sagemaker")
        self._invocations = ThreadPoolExecutor(_INVOCATION_THREADS, "sagemaker-runtime")
        self._running = _Running(machine, jobs, endpoints, executions, operations)

    def stop(self) -> None:
        """Ends every process tree and closes the store, in bounded time: the settings' grace and a few seconds.

        What was acknowledged stays: asynchronous requests and executions go on at the next start, a job that was
        interrupted is failed there at the latest. A thread that is still at work then meets StoreClosed, and leaves.
        May be repeated.
        """
        running, self._running = self._running, None
        if running is None:
            return
        for pool in (self._control, self._invocations):
            if pool is not None:
                pool.shutdown(wait=False, cancel_futures=True)
        # All are told before any is waited for: their graces pass at the same time. Executions come first, so that
        # none takes the end of its job for a failure of its step.
        deadline = time.monotonic() + self._settings.grace_seconds + _STOP_SECONDS
        running.executions.stop_all()
        running.jobs.stop_all()
        running.endpoints.stop_all()
        self._environments.stop()
        running.jobs.join(deadline)
        running.endpoints.join(deadline)
        running.executions.join(deadline)
        running.endpoints.capture.stop()
        running.machine.meter.stop()
        running.machine.outbox.stop()
        running.machine.shipper.stop()
        running.machine.store.close()

    async def handle(self, request: Request) -> Response:
        """Answers one request. Never raises, never blocks the event loop."""
        status, fields, content = await self.serve(request)
        if not isinstance(content, bytes):
            content = b"".join([part async for part in content])
        return status, fields, content

    async def serve(self, request: Request) -> Streamed:
        """Answers like `handle`, an event stream part by part; it is to be closed (aclose) or read to its end."""
        fields = {name.lower(): value for name, value in request.headers.items()}
        runtime = _RUNTIME.search(request.path)
        slow = runtime is not None or patience.looks_seldom(fields)
        pool = self._invocations if slow else self._control
        running = self._running
        if running is None or pool is None:
            return _error(_NOT_RUNNING)
        work: Callable[[], _Answered] = (
            (lambda: _invoke(running.endpoints, request._replace(headers=fields), unquote(runtime[1]), runtime[2]))
            if runtime is not None
            else (lambda: _operate(running, fields, request.body))
        )
        try:
            answered = asyncio.wrap_future(pool.submit(_answered, work))
        except RuntimeError:
            # The pool was shut down a moment ago.
            return _error(_NOT_RUNNING)
        try:
            # `stop` cancels what waits for its turn in the pool. That is no cancelling of the caller's task.
            await asyncio.wait([answered])
        finally:
            answered.cancel()
        if answered.cancelled():
            return _error(_NOT_RUNNING)
        status, outgoing, content = answered.result()
        return status, outgoing, content if isinstance(content, bytes) else _parts(content, pool)


async def _parts(parts: Parts, pool: ThreadPoolExecutor) -> AsyncIterator[bytes]:
    """Yields part by part, read when the one before has gone out: a slow reader slows the container alone."""
    loop = asyncio.get_running_loop()
    try:
        while part := await loop.run_in_executor(pool, parts.read):
            yield part
    except RuntimeError:
        # The pool was shut down: the stream breaks off, as the container does.
        return
    finally:
        parts.close()


def _answered(work: Callable[[], _Answered]) -> _Answered:
    try:
        return work()
    except ApiError as error:
        return _error(error)
    except StoreClosed:
        return _error(_NOT_RUNNING)
    except Exception as error:
        logger.exception("a request failed")
        failure = ApiError(f"{type(error).__name__}: {error}")
        failure.status = 500
        return _error(failure)


def _operate(running: _Running, headers: Mapping[str, str], body: bytes) -> Response:
    target = headers.get("x-amz-target", "")
    name = target.removeprefix(_TARGET)
    if not target.startswith(_TARGET) or not name:
        raise UnknownOperation("The request names no SageMaker operation (X-Amz-Target: SageMaker.<Operation>).")
    operations = running.operations
    # An operation that is not run is unknown whatever its request is.
    operations.find(name)
    try:
        request = json.loads(body or b"{}")
    except ValueError as error:
        raise ValidationException(f"The request is not JSON: {error}") from error
    document = (
        patience.answered(running.machine.store, name, lambda: operations.call(name, request))
        if patience.looks_seldom(headers)
        else operations.call(name, request)
    )
    return 200, _headers("application/x-amz-json-1.1"), json.dumps(document).encode()


def _invoke(endpoints: Endpoints, request: Request, endpoint: str, kind: str) -> _Answered:
    if request.method != "POST":
        raise EndpointValidationError("Endpoints are invoked by POST.")
    status: int
    fields: dict[str, str]
    content: bytes | Parts
    match kind:
        case "invocations":
            status, fields, content = invoke.invoke(endpoints, endpoint, request.headers, request.body)
        case "async-invocations":
            status, fields, content = asynchronous.invoke_async(endpoints, endpoint, request.headers, request.body)
        case _:
            status, fields, content = streaming.invoke_stream(endpoints, endpoint, request.headers, request.body)
    return status, {**fields, "x-amzn-RequestId": str(uuid.uuid4())}, content


def _error(error: ApiError) -> Response:
    body = {"__type": error.code, "message": error.message, "Message": error.message, **error.members}
    fields = {**_headers("application/x-amz-json-1.1"), "x-amzn-ErrorType": error.code}
    return error.status, fields, json.dumps(body).encode()


def _headers(content_type: str) -> dict[str, str]:
    return {"Content-Type": content_type, "x-amzn-RequestId": str(uuid.uuid4())}
