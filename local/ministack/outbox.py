"""Events that were acknowledged and are still on their way: an outbox, written with the change that caused them.

MiniStack hands these to a thread after its answer, so that a kill -9 right after the answer took them: what S3 tells
rules, topics, queues and functions, and every asynchronous invocation of a function. Each is delivered once it is on
disk and forgotten once it has been delivered; a crash in between repeats it, as AWS delivers at least once.
"""

import itertools
import json
import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from local.ministack.statefile import StateFile, Statement

_PUT = "INSERT INTO outbox VALUES (?, ?, ?, ?, ?)"
_DELETE = "DELETE FROM outbox WHERE id = ?"

# Notifications are short and start nothing that waits; a function runs for minutes and has a thread of its own.
_NOTIFIERS = 4

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Letter:
    """One event for one receiver; `body` is what the kind's deliverer is called with."""

    id: int
    kind: str
    account: str
    region: str
    body: Any


@dataclass(frozen=True, slots=True)
class Taken:
    """What one writing took."""

    added: list[Letter]
    over: list[int]


class Outbox:
    """What is on its way. `wake` has it written soon; `settle` writes what a delivery changed, and that it is over."""

    def __init__(self, wake: Callable[[], None], settle: Callable[[], None]) -> None:
        self._wake, self._settle = wake, settle
        self._added: deque[Letter] = deque()
        self._over: deque[int] = deque()
        self._waiting: list[Letter] = []
        self._ids = itertools.count(1)
        self._notifiers: ThreadPoolExecutor | None = None
        self._open = False
        self._deliverers: dict[str, Callable[..., object]] = {}

    def install(self) -> None:
        """Take over from MiniStack's threads."""
        from ministack.services import eventbridge, lambda_svc, s3, sns

        self._deliverers = {
            # By name when the time comes: others mend these functions too.
            "object": lambda args, options: s3._fire_s3_event(*args, **options),
            "rule": _here(eventbridge, "_dispatch_to_lambda"),
            "invocation": _invocation(_here(lambda_svc, "invoke_async_with_retry")),
            "topic": lambda *args: sns._deliver_to_lambda(*args),
        }
        invoke = lambda_svc.invoke_async_with_retry

        def object_event(bucket: str, key: str, name: str, *args: Any, **options: Any) -> None:
            if bucket in s3._bucket_notifications:
                options["sequencer"] = s3._next_event_sequencer(name)
                self.add("object", [[bucket, key, name, *args], options])

        def rule_to_function(arn: str, payload: str) -> None:
            self.add("rule", [arn, payload])

        def invoke_later(function: Any, event: Any) -> None:
            if lambda_svc._durable_ctx.get() is not None:
                # A durable function's checkpoints live in memory: a restart has nothing to go on with.
                invoke(function, event)
                return
            config = function.get("config") or function
            scope = lambda_svc._account_region_from_function_config(config)
            self.add("invocation", [_qualified(config), event, lambda_svc._invoke_depth.get()], scope)

        s3._fire_s3_event_async = object_event
        eventbridge._dispatch_to_lambda = rule_to_function
        lambda_svc.invoke_async_with_retry = invoke_later
        sns._threading = _Threads(self, sns)

    def add(self, kind: str, body: Any, scope: tuple[str, str] | None = None) -> None:
        """Deliver it once it is on disk, in the request's account and region or in those given."""
        from ministack.core.responses import get_account_id, get_region

        account, region = scope or (get_account_id(), get_region())
        self._added.append(Letter(next(self._ids), kind, account, region, body))
        self._wake()

    def collect(self, statements: list[Statement]) -> Taken:
        """Add what must be written; `begin` the result when it is, `put_back` when it could not be."""
        taken = Taken(
            [self._added.popleft() for _ in range(len(self._added))],
            [self._over.popleft() for _ in range(len(self._over))],
        )
        if taken.added:
            rows = [
                (letter.id, letter.kind, letter.account, letter.region, json.dumps(letter.body))
                for letter in taken.added
            ]
            statements.append((_PUT, rows))
        if taken.over:
            statements.append((_DELETE, [(id_,) for id_ in taken.over]))
        return taken

    def put_back(self, taken: Taken) -> None:
        """Takes it up with the next writing: nothing of it was written."""
        self._added.extendleft(reversed(taken.added))
        self._over.extendleft(taken.over)

    def begin(self, taken: Taken) -> None:
        """Deliver what is now on disk."""
        for letter in taken.added:
            if self._open:
                self._start(letter)
            else:
                self._waiting.append(letter)

    def load(self, file: StateFile) -> None:
        """Take up what an earlier run left; it waits for `open`."""
        rows = file.rows("SELECT id, kind, account, region, body FROM outbox ORDER BY id")
        self._waiting = [
            Letter(id_, kind, account, region, json.loads(body)) for id_, kind, account, region, body in rows
        ]
        self._ids = itertools.count(max([0, *(letter.id for letter in self._waiting)]) + 1)

    def open(self) -> int:
        """Begin to deliver: everything that may receive is up. Returns how many were waiting."""
        self._notifiers = ThreadPoolExecutor(_NOTIFIERS, "notify")
        self._open = True
        waiting, self._waiting = self._waiting, []
        for letter in waiting:
            self._start(letter)
        return len(waiting)

    def close(self) -> None:
        """Deliver nothing more; what is under way counts as interrupted."""
        self._open = False
        if self._notifiers is not None:
            self._notifiers.shutdown(wait=False, cancel_futures=True)

    def _start(self, letter: Letter) -> None:
        if letter.kind != "object" or self._notifiers is None:
            threading.Thread(target=self._deliver, args=(letter,), name=letter.kind, daemon=True).start()
            return
        try:
            self._notifiers.submit(self._deliver, letter)
        except RuntimeError:
            # Closed meanwhile: it is on disk, and the next start delivers it.
            return

    def _deliver(self, letter: Letter) -> None:
        from ministack.core.responses import request_scope

        try:
            with request_scope(letter.account, letter.region):
                self._deliverers[letter.kind](*letter.body)
        except Exception:  # noqa: BLE001 - the thread's edge: what cannot be delivered is dropped, as MiniStack does
            _log.exception("an event for a %s could not be delivered", letter.kind)
        if self._open:
            # A function that was ended because the cloud stops is called again by the next start.
            self._over.append(letter.id)
            self._settle()


class _Threads:
    """`threading` for MiniStack's SNS: what it would hand to a thread for a function goes the durable way."""

    def __init__(self, outbox: Outbox, sns: Any) -> None:
        self._outbox, self._sns = outbox, sns

    def __getattr__(self, name: str) -> Any:
        return getattr(threading, name)

    def Thread(self, *, target: Any, args: tuple[Any, ...] = (), **options: Any) -> Any:  # noqa: N802 - its name
        from ministack.core.responses import get_account_id, get_region

        if not args or args[0] is not self._sns._deliver_to_lambda:
            return threading.Thread(target=target, args=args, **options)
        context = target.__self__
        scope = context.run(get_account_id), context.run(get_region)
        return _Start(lambda: self._outbox.add("topic", list(args[1:]), scope))


class _Start:
    """A thread of which only `start` is asked."""

    def __init__(self, target: Callable[..., object], args: tuple[Any, ...] = (), daemon: bool = True) -> None:
        self._target, self._args, self.daemon = target, args, daemon

    def start(self) -> None:
        self._target(*self._args)


class _Inline:
    """`threading` whose threads run where they are started: so a delivery knows when its function has ended."""

    Thread = _Start


def _here(module: Any, name: str) -> Callable[..., object]:
    """Returns a function of MiniStack's that starts a thread, made to do that thread's work before it returns."""
    original = getattr(module, name)

    def call(*args: Any) -> object:
        names = {**vars(module), "threading": _Inline}
        return FunctionType(original.__code__, names, name, original.__defaults__, original.__closure__)(*args)

    return call


def _invocation(invoke: Callable[..., object]) -> Callable[..., object]:
    def call(arn: str, event: Any, depth: int) -> None:
        from ministack.services import lambda_svc

        # Functions that call one another in a circle are ended by how deep they are.
        lambda_svc._invoke_depth.set(depth)
        function, config, _ = lambda_svc._get_func_record_for_ref(arn)
        if function and config:
            invoke(lambda_svc._execution_record_for_config(function, config), event)

    return call


def _qualified(config: Any) -> str:
    arn, version = str(config["FunctionArn"]), str(config.get("Version") or "$LATEST")
    return arn if version == "$LATEST" or arn.endswith(f":{version}") else f"{arn}:{version}"
