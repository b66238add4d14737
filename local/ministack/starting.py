"""What events of EventBridge and Scheduler start: at least once, or the event goes to the dead-letter queue.

MiniStack calls a target once and forgets what it answers. A start that fails here is tried again as the target's
RetryPolicy says, under the same execution name, so that one that did succeed is not repeated. Executions of state
machines are asked of the engine; what `targets.py` adds is called over HTTP, each call in a thread of its own.
"""

import functools
import heapq
import itertools
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.ministack import targets
from local.stepfunctions.api.errors import ApiError

logger = logging.getLogger(__name__)

Call = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]

MOST_RETRIES = 185
MOST_SECONDS = 86_400.0
"""What EventBridge does where a target has no RetryPolicy."""

_FIRST_DELAY, _LONGEST_DELAY = 0.5, 60.0
_MOST_WAITING = 10_000

# What a later try may find otherwise; all other refusals are final.
_PASSING = {"ExecutionLimitExceeded", "ServiceUnavailable", "ThrottlingException", "InternalFailure"}


@dataclass(slots=True)
class Start:
    """One event for one target."""

    arn: str
    payload: str
    send: Callable[[], object]
    """Raises ApiError."""
    target: Mapping[str, Any]
    rule: Mapping[str, Any]
    accepted: float
    waits: bool = False
    """Whether `send` waits for another request of this cloud, which the event loop must not."""
    tries: int = 0

    def may_wait(self, seconds: float) -> bool:
        policy = self.target.get("RetryPolicy") or {}
        age = time.monotonic() - self.accepted + seconds
        return self.tries <= int(policy.get("MaximumRetryAttempts", MOST_RETRIES)) and age <= float(
            policy.get("MaximumEventAgeInSeconds", MOST_SECONDS)
        )


_current: ContextVar[tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]] | None] = ContextVar(
    "current_target", default=None
)


class Starts:
    """Starts executions for events; one thread, started when the first start fails, tries those again."""

    def __init__(self, call: Call, client: Callable[[str], Any]) -> None:
        self._call = call
        self._client = client
        self._waiting: list[tuple[float, int, Start, ApiError]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def install(self, eventbridge: Any) -> None:
        """Take the place of MiniStack's dispatch to Step Functions."""
        invoke = eventbridge._invoke_target

        def invoke_target(target: Any, event: Any, rule: Any, view: Any = None) -> None:
            if event.get("Source") == "aws.scheduler" and "Target" in rule:
                target = targets.with_context(target, rule, event)
            document = (view or eventbridge._pattern_event_view(event)).event_with_detail()
            if call := targets.call_of(target, document, self._client):
                self._begin_call(call, target, json.dumps(document), rule)
                return
            token = _current.set((target, event, rule))
            try:
                invoke(target, event, rule, view)
            finally:
                _current.reset(token)

        eventbridge._invoke_target = invoke_target
        eventbridge._dispatch_to_stepfunctions = self.begin

    def begin(self, machine: str, payload: str) -> None:
        """Start an execution; it is committed when this returns, unless it has to be tried again."""
        target, event, rule = _current.get() or ({}, {}, {})
        # As EventBridge names them.
        name = f"{event.get('EventId') or uuid.uuid4()}_{uuid.uuid4()}"
        request = {"stateMachineArn": machine, "input": payload, "name": name}
        send = functools.partial(self._call, "StartExecution", request)
        self._try(Start(machine, payload, send, target, rule, time.monotonic()))

    def _begin_call(self, call: targets.Call, target: Mapping[str, Any], payload: str, rule: Mapping[str, Any]) -> None:
        send = functools.partial(_over_http, call)
        start = Start(str(target["Arn"]), payload, send, target, rule, time.monotonic(), waits=True)
        threading.Thread(target=self._try, args=(start,), name="starts-call", daemon=True).start()

    def close(self) -> None:
        """Try nothing any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            thread, left = self._thread, len(self._waiting)
        if thread is not None:
            thread.join()
        if left:
            logger.warning("%d events did not reach their target before the cloud stopped", left)

    def _try(self, start: Start) -> None:
        start.tries += 1
        try:
            start.send()
        except ApiError as error:
            # Never here: this may be the event loop, which the dead-letter queue needs to answer.
            self._later(start, error)

    def _later(self, start: Start, error: ApiError) -> None:
        delay = min(_LONGEST_DELAY, _FIRST_DELAY * 2.0 ** (start.tries - 1))
        again = (error.status >= 500 or error.code in _PASSING) and start.may_wait(delay)
        with self._changed:
            if len(self._waiting) >= _MOST_WAITING:
                again = False
            due = time.monotonic() + delay if again else 0.0
            heapq.heappush(self._waiting, (due, next(self._order), start, error))
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="starts", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._closed and (not self._waiting or self._waiting[0][0] > time.monotonic()):
                    self._changed.wait(self._waiting[0][0] - time.monotonic() if self._waiting else None)
                if self._closed:
                    return
                due, _, start, error = heapq.heappop(self._waiting)
            if due and start.waits:
                threading.Thread(target=self._try, args=(start,), name="starts-call", daemon=True).start()
            elif due:
                self._try(start)
            else:
                self._give_up(start, error)

    def _give_up(self, start: Start, error: ApiError) -> None:
        """Put the event where its target wants what could not be delivered; say so either way."""
        queue = (start.target.get("DeadLetterConfig") or {}).get("Arn")
        logger.warning("nothing was started at %s for an event: %s: %s", start.arn, error.code, error.message)
        if not queue:
            return
        said = {
            "RULE_ARN": start.rule.get("Arn"),
            "TARGET_ARN": start.arn,
            "ERROR_CODE": error.code,
            "ERROR_MESSAGE": error.message,
            "RETRY_ATTEMPTS": start.tries - 1,
        }
        attributes = {
            name: {"DataType": "Number" if isinstance(value, int) else "String", "StringValue": str(value)}
            for name, value in said.items()
            if value not in (None, "")
        }
        try:
            sqs = self._client("sqs")
            url = sqs.get_queue_url(QueueName=queue.rpartition(":")[2])["QueueUrl"]
            sqs.send_message(QueueUrl=url, MessageBody=start.payload, MessageAttributes=attributes)
        except (BotoCoreError, ClientError) as failure:
            logger.error("the event is lost: %s cannot take it: %s: %s", queue, failure, json.dumps(start.payload))


def _over_http(call: targets.Call) -> None:
    try:
        call()
    except ClientError as error:
        answered = error.response
        status = int(answered.get("ResponseMetadata", {}).get("HTTPStatusCode", 400))
        raise ApiError(answered["Error"].get("Code", ""), answered["Error"].get("Message", ""), status) from error
    except (BotoCoreError, ValueError) as error:
        raise ApiError(type(error).__name__, str(error), 400 if isinstance(error, ValueError) else 503) from error
