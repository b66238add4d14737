"""The door: one HTTP request in, one answer out; and the life of everything behind it.

The API speaks JSON 1.0 (X-Amz-Target: AWSStepFunctions.<Operation>). Who lives in this process uses `call`.
"""

import asyncio
import json
import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future, InvalidStateError, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from local.documents import Document, Json
from local.stepfunctions.activities import Activities
from local.stepfunctions.api import errors, machines, starting, wire
from local.stepfunctions.api.arns import Place
from local.stepfunctions.api.context import Context, Later, RedriveTokens
from local.stepfunctions.api.errors import ApiError
from local.stepfunctions.api.operations import OPERATIONS, QUICK, SLOW
from local.stepfunctions.api.registry import Machines
from local.stepfunctions.asl.resources import ResourceKind
from local.stepfunctions.executionlogs import ExecutionLogs
from local.stepfunctions.executor.errors import ExecutorStopped
from local.stepfunctions.executor.executor import Executor
from local.stepfunctions.executor.over import Over
from local.stepfunctions.executor.tasks import ScheduledTask
from local.stepfunctions.executor.upkeep import Retention
from local.stepfunctions.integrations.integrations import Integrations
from local.stepfunctions.interpreter.events import Event
from local.stepfunctions.journal.errors import JournalError
from local.stepfunctions.journal.journal import Journal
from local.stepfunctions.journal.rows import ExecutionRow
from local.stepfunctions.mapruns.runs import MapRuns
from local.stepfunctions.statusevents import StatusEvents, Wanted
from local.store import Store, StoreClosed
from local.surroundings import Cloud, Request, Response, ServiceSettings

logger = logging.getLogger(__name__)

_TARGET = "AWSStepFunctions."
_THREADS = 8
_CONTENT_TYPE = "application/x-amz-json-1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(ServiceSettings):
    """One Step Functions of one account and region. It keeps `journal.sqlite` and `machines.sqlite`."""

    retention: Retention = field(default_factory=Retention)


class StepFunctions:
    """Step Functions of one account and region. Answers 503 before `start` and after `stop`."""

    def __init__(self, cloud: Cloud, settings: Settings, event_wanted: Wanted = lambda _: True) -> None:
        """`event_wanted` is asked often, so it must be cheap."""
        self._cloud = cloud
        self._settings = settings
        self._event_wanted = event_wanted
        self._context: Context | None = None
        self._parts: _Parts | None = None
        self._waits: set[Future[Any]] = set()
        self._place = Place(settings.partition, settings.region, settings.account)

    # Life.

    def start(self) -> None:
        """Open the journal and answer. What ran waits for `resume`. Raises DatabaseUnusable."""
        folder = self._settings.state_dir
        journal, store = _opened(folder)
        integrations, activities = Integrations(self), Activities()
        map_runs = MapRuns(self._cloud.client)
        executor = Executor(journal, _Performer(integrations, activities), map_runs, retention=self._settings.retention)
        context = Context(
            place=self._place,
            cloud=self._cloud,
            store=store,
            machines=Machines(store),
            activities=activities,
            executor=executor,
            map_runs=map_runs,
            reader=executor.reader,
            call=integrations.answer,
            redrives=RedriveTokens(),
        )
        parts = _Parts(
            context=context,
            integrations=integrations,
            status_events=StatusEvents(context, self._event_wanted),
            logs=ExecutionLogs(self._cloud),
            pool=ThreadPoolExecutor(_THREADS, "stepfunctions-api"),
            test_pool=ThreadPoolExecutor(_THREADS, "stepfunctions-test"),
        )
        executor.observe(parts.status_events.observe)
        executor.observe(parts.logs.observe)
        executor.observe(parts.drop_deleted)
        parts.status_events.open()
        parts.logs.start()
        map_runs.connect(executor)
        executor.start()
        self._parts, self._context = parts, context
        for machine in context.machines.all():
            machines.drop_deleted(context, machine["name"])

    def resume(self) -> int:
        """Go on with what ran when the last one stopped; answers how many executions that are.

        Once the rest of the cloud can be reached; until then events wait, too.
        """
        parts = self._parts
        if parts is None:
            return 0
        parts.status_events.start()
        return parts.context.executor.resume()

    def stop(self) -> None:
        """Stops, in bounded time. What runs goes on at the next start. May be repeated."""
        parts, self._parts, self._context = self._parts, None, None
        if parts is None:
            return
        for pool in (parts.pool, parts.test_pool):
            pool.shutdown(wait=False, cancel_futures=True)
        parts.integrations.close()
        parts.context.activities.close()
        parts.context.executor.stop()
        parts.context.map_runs.close()
        for future in tuple(self._waits):
            with suppress(InvalidStateError):
                future.set_exception(ExecutorStopped("the local cloud is stopping"))
        parts.logs.stop()
        parts.status_events.stop()
        # They may have read once more.
        parts.context.reader.close()
        parts.context.store.close()

    # For clients.

    async def handle(self, request: Request) -> Response:
        """Answer one request: status, headers of its own, body. Never raises, never blocks the event loop."""
        try:
            return _response(200, await self._answer(_operation(request.headers), request.body))
        except Exception as error:  # noqa: BLE001 - the edge: whatever went wrong is an answer
            return _failure(error)

    async def _answer(self, operation: str, body: bytes) -> Document:
        context, parts = self._context, self._parts
        if context is None or parts is None:
            raise errors.unavailable()
        request = wire.check(operation, _decoded(body))
        function = OPERATIONS[operation]
        if operation in QUICK:
            outcome = function(context, request)
        else:
            pool = parts.test_pool if operation in SLOW else parts.pool
            work: Future[Document | Later] = pool.submit(function, context, request)
            await _done(work)
            outcome = work.result()
        if isinstance(outcome, Later):
            outcome = await self._waited_for(outcome)
        return wire.answer(operation, outcome)

    async def _waited_for(self, later: Later) -> Document:
        self._waits.add(later.future)
        try:
            await _done(later.future, later.seconds)
        except asyncio.CancelledError:
            later.abandon()
            raise
        finally:
            self._waits.discard(later.future)
        return later.finish(later.future)

    # For who lives in this process.

    def call(self, operation: str, request: Mapping[str, Json]) -> Document:
        """Answer a request. Raises ApiError.

        It waits for the journal, and with StartSyncExecution and GetActivityTask for whatever they wait for; so on
        the server's own thread only what asks no other service may be called. Not to be called on the engine's thread.
        """
        context = self._context
        if context is None:
            raise errors.unavailable()
        checked = wire.check(operation, dict(request))
        try:
            outcome = OPERATIONS[operation](context, checked)
            if isinstance(outcome, Later):
                outcome = self._blocked_on(outcome)
            return wire.answer(operation, outcome)
        except Exception as error:
            raise _told(error) from error

    def _blocked_on(self, later: Later) -> Document:
        self._waits.add(later.future)
        try:
            with suppress(TimeoutError, CancelledError):
                later.future.exception(later.seconds)
        finally:
            self._waits.discard(later.future)
        return later.finish(later.future)

    def resolve(self, arn: str) -> bool:
        """Tells whether an execution could be started by this ARN: of a state machine, a version or an alias."""
        context = self._context
        if context is None:
            return False
        try:
            starting.resolve(context, arn)
        except ApiError:
            return False
        return True

    # For the integrations (`integrations.task.World`).

    def client(self, service: str) -> Any:
        return self._cloud.client(service)

    def start_execution(self, request: Mapping[str, Json]) -> Document:
        return self.call("StartExecution", request)

    def stop_execution(self, arn: str) -> None:
        if self._context is not None:
            self._context.executor.stop_execution(arn)

    def when_over(self, arn: str, callback: Callable[[Over], None]) -> None:
        """Raises LookupError where there is no such execution."""
        context = self._context
        if context is not None:
            if context.reader.execution(arn) is None:
                raise LookupError(arn)
            context.executor.when_over(arn, callback)


def _opened(folder: Path) -> tuple[Journal, Store]:
    journal = Journal(folder / "journal.sqlite")
    try:
        return journal, Store(folder / "machines.sqlite")
    except BaseException:
        journal.close()
        raise


class _Performer:
    """`executor.world.Performer`: activities wait for their workers, all else is carried out."""

    def __init__(self, integrations: Integrations, activities: Activities) -> None:
        self._integrations = integrations
        self._activities = activities

    def perform(self, task: ScheduledTask) -> None:
        if task.command.resource.kind is ResourceKind.ACTIVITY:
            self._activities.offer(task)
        else:
            self._integrations.perform(task)

    def cancel(self, key: str) -> None:
        self._activities.cancel(key)
        self._integrations.cancel(key)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What is started and stopped."""

    context: Context
    integrations: Integrations
    status_events: StatusEvents
    logs: ExecutionLogs
    pool: ThreadPoolExecutor
    test_pool: ThreadPoolExecutor

    def drop_deleted(self, row: ExecutionRow, records: Sequence[Event]) -> None:
        """Looks, on the engine's thread, whether a state machine that is being deleted has no execution left."""
        del records
        if row.status != "RUNNING":
            name = row.machine_name.partition("/")[0]
            machine = self.context.machines.get(name)
            if machine is not None and machine["status"] == "DELETING":
                with suppress(RuntimeError):
                    self.pool.submit(_drop, self.context, name)


def _drop(context: Context, name: str) -> None:
    # Stopped meanwhile: the next start sees to it.
    with suppress(StoreClosed):
        machines.drop_deleted(context, name)


# One request.


def _operation(headers: Mapping[str, str]) -> str:
    target = headers.get("x-amz-target")
    if target is None:
        target = next((value for name, value in headers.items() if name.lower() == "x-amz-target"), "")
    operation = target.removeprefix(_TARGET)
    if not target.startswith(_TARGET) or operation not in OPERATIONS:
        raise ApiError("UnknownOperationException", f"'{target}' is not an operation of Step Functions.")
    return operation


def _decoded(body: bytes) -> object:
    try:
        return orjson.loads(body or b"{}")
    except orjson.JSONDecodeError:
        pass
    try:
        # Halves of surrogate pairs and numbers of any size are JSON, too.
        return json.loads(body)
    except ValueError as error:
        raise ApiError("SerializationException", f"The request is not JSON: {error}") from None


async def _done(future: "Future[Any]", seconds: float | None = None) -> None:
    """Waits until it is done, or so long. Unlike `asyncio.wrap_future`, never cancels what others will set."""
    if future.done():
        return
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()

    def settle() -> None:
        if not waiter.done():
            waiter.set_result(None)

    def told(_: "Future[Any]") -> None:
        # The loop may be closed: then nobody waits.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settle)

    future.add_done_callback(told)
    timer = None if seconds is None else loop.call_later(seconds, settle)
    try:
        await waiter
    finally:
        if timer is not None:
            timer.cancel()


def _response(status: int, document: Document) -> Response:
    try:
        body = orjson.dumps(document)
    except TypeError:
        body = json.dumps(document).encode()
    return status, {"Content-Type": _CONTENT_TYPE, "x-amzn-RequestId": str(uuid.uuid4())}, body


def _failure(error: Exception) -> Response:
    told = _told(error)
    return _response(told.status, {"__type": told.code, "message": told.message})


def _told(error: Exception) -> ApiError:
    """Returns what the client is told."""
    match error:
        case ApiError():
            return error
        case StoreClosed() | ExecutorStopped() | CancelledError():
            return errors.unavailable()
        case JournalError():
            logger.error("%s", error)
            return ApiError("InternalFailure", str(error), 500)
        case _:
            logger.error("a request failed", exc_info=error)
            return ApiError("InternalFailure", "The local Step Functions failed; its log says how.", 500)
