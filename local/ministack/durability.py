"""What MiniStack acknowledges is on disk first: every service's handler answers through here.

MiniStack writes its state on a clean stop only. Here a request that changed something is answered after the change is
in the state file (`statefile.py`): items (`tables.py`), messages (`queues.py`) and events on their way
(`outbox.py`) one by one, everything else by resource (`records.py`); objects are files (`objects.py`, `uploads.py`).
Changes that no request makes (a schedule fires, a function's log) follow within seconds.

Where it cannot be written, the caller gets the service's server error with the reason. The change stays in memory and
is written as soon as there is room; until then no further change is taken.
"""

import asyncio
import errno
import logging
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from local.errors import LocalCloudError
from local.ministack import operations, records
from local.ministack.objects import Objects
from local.ministack.operations import EVERYTHING
from local.ministack.outbox import Outbox
from local.ministack.queues import Queues
from local.ministack.records import Records
from local.ministack.statefile import StateFile, Statement
from local.ministack.tables import Tables
from local.ministack.uploads import Uploads
from local.surroundings import Request, Response

_TICK_SECONDS = 0.25
_SWEEP_SECONDS = 2.0
# A sweep takes one part in so many of a core, however much there is to look through.
_SWEEP_SHARE = 50

# What a stack's operation may take before its resources are saved one by one.
_STACK_SECONDS = 120.0
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM}

_Handler = Callable[..., Awaitable[Response]]

_log = logging.getLogger(__name__)


class NotWritten(Exception):
    """A change is in memory only: the disk is full, or the state directory cannot be written."""


class Durability:
    """The state of one local cloud. Thread-safe."""

    def __init__(self, path: Path) -> None:
        """Raises LocalCloudError, naming the file, where the state cannot be read."""
        self._file = StateFile(path)
        self._tables, self._queues, self._records = Tables(), Queues(), Records()
        self._outbox, self._objects = Outbox(self._wake, self.settle_quietly), Objects()
        self._uploads = Uploads(path.with_name("uploads"), self._objects.kept)
        self._lock = threading.Lock()
        self._saving = threading.Lock()
        self._wanted: set[str] = set()
        self._wanted_lock = threading.Lock()
        self._asked = self._saved = 0
        self._failure: str | None = None
        self.broken: LocalCloudError | None = None
        self._deploying = False
        self._working_since = 0.0
        self._end = threading.Event()
        self._closed = False
        self._nudge = threading.Event()
        self._flusher: threading.Thread | None = None
        self._due: dict[str, float] = {}
        self._referenced_code: set[str] = set()
        self._remove_unused_code: Callable[[], object] = lambda: None

    # At the start.

    def install(self) -> None:
        """Stand between MiniStack's services and their callers, and between MiniStack and its state files."""
        from ministack import app as ministack_app
        from ministack.core import persistence
        from ministack.services import eventbridge, lambda_svc, scheduler

        self._tables.install()
        self._queues.install()
        self._outbox.install()
        self._objects.install()
        self._uploads.install()
        self._keep_code(lambda_svc)
        scheduler._tick_schedules = self._then_save(scheduler, "_tick_schedules", "_schedule_last_fired", "scheduler")
        eventbridge._tick_scheduled_rules = self._then_save(
            eventbridge, "_tick_scheduled_rules", "_rule_last_fired", "eventbridge"
        )
        ministack_app._load_persisted_state = self._restore
        ministack_app.save_all = lambda _: None
        # Some services ask for their state when they are imported.
        persistence.load_state = ministack_app.load_state = lambda _: None
        get_module, wrapped = ministack_app._get_module, {}

        def get_module_durably(name: str) -> Any:
            module = get_module(name)
            if name not in wrapped and hasattr(module, "handle_request"):
                wrapped[name] = module.handle_request = self.durable(name, module.handle_request)
            return module

        ministack_app._get_module = get_module_durably

    def _keep_code(self, lambda_svc: Any) -> None:
        """Functions' code is files that their records name: take none away before the new record is written."""
        remove = lambda_svc._prune_orphan_code_blobs

        def remember(referenced: set[str]) -> None:
            self._referenced_code = set(referenced)

        lambda_svc._prune_orphan_code_blobs = remember
        self._remove_unused_code = lambda: remove(self._referenced_code)

    def _then_save(self, module: Any, name: str, store: str, service: str) -> Callable[[], None]:
        tick = getattr(module, name)

        def tick_and_save() -> None:
            before = dict(getattr(module, store))
            tick()
            if getattr(module, store) != before:
                # What has fired is written at once: a restart does not fire it again.
                self._save_quietly({service})

        return tick_and_save

    def _restore(self) -> None:
        """Restores in place of MiniStack's, which logs what it cannot restore and goes on without."""
        from ministack import app as ministack_app

        try:
            states = self._records.load(self._file)
            self._tables.load(self._file, list(_entries(states, "dynamodb", "tables").values()))
            self._queues.load(self._file, _entries(states, "sqs", "queues"))
            self._outbox.load(self._file)
            self._uploads.load()
            for stack in filter(_in_progress, _entries(states, "cloudformation", "stacks").values()):
                stack["StackStatus"] = stack["StackStatus"].replace("_IN_PROGRESS", "_FAILED")
                stack["StackStatusReason"] = "The local cloud ended while it worked on this stack"
            for service, module in ministack_app._state_map.items():
                if service in states:
                    ministack_app._get_module(module).load_persisted_state(states[service])
                    records.restore_unsaved(service, states[service])
        except LocalCloudError as error:
            self.broken = error
        except Exception as error:  # noqa: BLE001 - whatever MiniStack meets in its own state
            self.broken = LocalCloudError(
                f"{self._file.path}: the state of the local cloud cannot be restored: {error!r}"
            )
            self.broken.__cause__ = error
        else:
            self._flusher = threading.Thread(target=self._flush_from_time_to_time, name="state", daemon=True)
            self._flusher.start()

    # A request.

    def durable(self, module: str, handler: _Handler) -> _Handler:
        """Returns a service's handler that answers when what it changed is on disk."""

        async def handle(
            method: str, path: str, headers: Any, body: bytes, query_params: Any, *args: Any, **options: Any
        ) -> Response:
            request = Request(method, path, headers, body, query_params)
            changed = self._changed_by(module, request)
            if changed is None or self._closed:
                return await handler(*request, *args, **options)
            watched = next(iter(changed)) if len(changed) == 1 and changed <= records.WATCHED else None
            try:
                if self._failure is not None and not operations.removes_objects(module, method, query_params):
                    self._settle_objects()
                    await asyncio.to_thread(self.save, ())
                if watched:
                    self._records.watch(watched)
                response = await handler(*request, *args, **options)
                await self._keep(changed, watched)
            except NotWritten as error:
                return operations.refusal(module, request, str(error))
            except OSError as error:
                if error.errno not in _DISK_ERRORS:
                    raise
                return operations.refusal(module, request, str(self._failed(error)))
            return response

        return handle

    def _changed_by(self, module: str, request: Request) -> frozenset[str] | None:
        changed = operations.changes(module, *request)
        if module == "cloudformation":
            # A stack is made after the answer to CreateStack: whoever is told that it is up must find it kept.
            self._deploying |= changed is EVERYTHING
            return EVERYTHING if self._deploying else changed
        return changed

    async def _keep(self, changed: Collection[str], watched: str | None) -> None:
        self._settle_objects()
        if changed is EVERYTHING and self._works_on_a_stack():
            self._write((), ())
            return
        if not changed:
            self._write((), ())
        elif not (watched and self._save_watched(watched)):
            await asyncio.to_thread(self.save, changed)
        if self._tables.unsaved or self._queues.unsaved:
            # Made by CloudFormation a moment ago: an item is nothing without its table.
            await asyncio.to_thread(self.save, {"dynamodb", "sqs"})

    def settle(self) -> None:
        """Write every item, message, object and event that changed. Raises NotWritten."""
        self._settle_objects()
        self._write((), ())

    def _settle_objects(self) -> None:
        try:
            self._objects.retry()
        except OSError as error:
            raise self._failed(error) from error

    def _save_watched(self, service: str) -> bool:
        """Write what the request looked at, at once; False where all the service holds has to be looked through."""
        # Whoever saves has read the state already, and would put what it read over what is written here.
        if not self._saving.acquire(blocking=False):
            return False
        try:
            changes = self._records.changes_since_watch(service)
            if changes is not None:
                self._write(changes[0], [changes[1]])
            return changes is not None
        except NotWritten:
            with self._wanted_lock:
                self._wanted.add(service)
            raise
        finally:
            self._saving.release()

    def save(self, services: Collection[str] = EVERYTHING) -> None:
        """Write what these services hold; callers that come while one writes share the next. Raises NotWritten."""
        with self._wanted_lock:
            self._wanted.update(records.services() if services is EVERYTHING else services)
            self._asked += 1
            mine = self._asked
        with self._saving:
            if self._saved >= mine:
                return
            with self._wanted_lock:
                wanted, self._wanted = self._wanted & records.services().keys(), set()
                upto = self._asked
            try:
                self._save(wanted)
            except BaseException:
                with self._wanted_lock:
                    self._wanted |= wanted
                raise
            self._saved = upto

    def _save(self, services: Collection[str]) -> None:
        statements: list[Statement] = []
        written = []
        for service in _with_resources(services):
            begun = time.perf_counter()
            # Before their records are read: what is made meanwhile counts as not saved.
            if service == "dynamodb":
                self._tables.compare()
            if service == "sqs":
                self._queues.unsaved = False
            try:
                changes, then = self._records.changes(service)
            except OSError as error:
                # A function's code could not be written beside the file.
                raise self._failed(error) from error
            statements += changes
            written.append(then)
            cost = time.perf_counter() - begun
            self._due[service] = time.monotonic() + max(_SWEEP_SECONDS, cost * _SWEEP_SHARE)
        self._write(statements, written)
        if "lambda" in services:
            self._remove_unused_code()
        if "cloudformation" in services:
            self._deploying = self._works_on_a_stack()

    def _works_on_a_stack(self) -> bool:
        """Tells whether to wait for CloudFormation: nobody would go on with a stack that a kill left half made.

        On disk it is as it was before the operation or as it is after; its resources likewise, unless the operation
        takes long.
        """
        from ministack.services import cloudformation

        if not any(_in_progress(stack) for stack in cloudformation._stacks.all_values()):
            self._working_since = 0.0
            return False
        self._working_since = self._working_since or time.monotonic()
        return time.monotonic() - self._working_since < _STACK_SECONDS

    def _write(self, more: Sequence[Statement], written: Sequence[Callable[[], None]]) -> None:
        if self._closed:
            return
        # A change that another thread is writing now is not on disk before that thread has let go of the lock.
        with self._lock:
            statements = list(more)
            items, messages = self._tables.collect(statements), self._queues.collect(statements)
            events = self._outbox.collect(statements)
            try:
                if statements:
                    self._file.write(statements)
            except sqlite3.Error as error:
                self._tables.put_back(items)
                self._queues.put_back(messages)
                self._outbox.put_back(events)
                raise self._failed(error) from error
            for then in written:
                then()
            if statements or not self._wanted:
                self._failure = None
        self._outbox.begin(events)

    def _failed(self, error: Exception) -> NotWritten:
        why = f"the state directory is full or cannot be written: {self._file.path.parent}: {error}"
        if self._failure is None:
            _log.error("%s", why)
        self._failure = why
        return NotWritten(why)

    # Changes that no request makes.

    def _wake(self) -> None:
        if threading.current_thread().name != "local-cloud":
            # A request's own changes are written before its answer; it needs no help.
            self._nudge.set()

    def settle_quietly(self) -> None:
        """`settle`, for a change that nobody waits for: tried again until it is written."""
        try:
            self.settle()
        except (NotWritten, OSError):
            self._nudge.set()

    def _save_quietly(self, services: Collection[str]) -> None:
        try:
            self.save(services)
        except (NotWritten, OSError, RuntimeError) as error:
            _log.error("not saved: %s", error)

    def _flush_from_time_to_time(self) -> None:
        while not self._end.is_set():
            if self._failure is None:
                self._nudge.wait(_TICK_SECONDS)
            else:
                self._end.wait(_SWEEP_SECONDS)
            self._nudge.clear()
            self.settle_quietly()
            if self._deploying and self._works_on_a_stack():
                continue
            now = time.monotonic()
            with self._wanted_lock:
                due = {service for service in records.services() if self._due.get(service, 0) <= now} | self._wanted
            if self._tables.unsaved or self._queues.unsaved:
                due |= {"dynamodb", "sqs"}
            if due:
                self._save_quietly(due)
            try:
                self._file.checkpoint()
            except sqlite3.Error as error:
                self._failed(error)

    # The end.

    def deliver(self) -> int:
        """Begin to deliver events: everything that receives them is up. Returns how many an earlier run left."""
        return self._outbox.open()

    def interrupt(self) -> None:
        """Deliver nothing more: what is under way is left to the next start."""
        self._outbox.close()

    def close(self) -> None:
        """Write everything, and stop."""
        self._outbox.close()
        self._end.set()
        self._nudge.set()
        if self._flusher is not None:
            self._flusher.join()
            self._flusher = None
            self._save_quietly(EVERYTHING)
        with self._lock:
            # What MiniStack's own threads still change is no longer anybody's.
            self._closed = True
            self._file.close()


def _entries(states: Mapping[str, Any], service: str, store: str) -> dict[Any, Any]:
    records = states.get(service, {}).get(store)
    return records.to_dict() if records is not None else {}


def _with_resources(services: Collection[str]) -> list[str]:
    """Returns the services to save at once: with a stack that is being made, all that it may be made of.

    The stack is looked at first: on disk it may lack a resource that is there, which the next start takes over, but
    it names none that is not.
    """
    from ministack.services import cloudformation

    if "cloudformation" not in services or not any(map(_in_progress, cloudformation._stacks.all_values())):
        return list(services)
    return ["cloudformation", *(service for service in records.services() if service != "cloudformation")]


def _in_progress(stack: Mapping[str, Any]) -> bool:
    """Tells whether CloudFormation works on a stack; one with a change set under review waits for its user."""
    status = str(stack.get("StackStatus"))
    return status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS"
