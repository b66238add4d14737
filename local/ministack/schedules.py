"""When MiniStack's schedules and scheduled rules fire: by their own time zone, and by `local.schedules`.

MiniStack keeps a schedule's time zone and computes in UTC, knows no flexible window, and takes any text for an
expression; in a stack it drops the time zone and both dates, and an error with them. What is due is found here, and
fired as MiniStack fires. `_schedule_last_fired` and `_rule_last_fired` hold the moment up to which a schedule has been
seen to, and are on disk before the next look: a restart fires once what fell due meanwhile, and nothing twice.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from local.documents import Document
from local.ministack import resources
from local.schedules import expressions
from local.schedules.expressions import Expression, ExpressionInvalid, Once

DUE = "_due"
"""Of a fired schedule: the moment it was fired for, in POSIX seconds."""

_UTC = ZoneInfo("UTC")
_LOOK_SECONDS = 1
_NEW_SECONDS = 60
"""A rule that was never looked at and is older was disabled."""
_MOMENT = 1e-3
_LONGEST_WINDOW = 1440
_logger = logging.getLogger(__name__)

Key = tuple[str, str, str]


def install() -> None:
    """Take the place of what MiniStack does every few seconds, and of what it takes for an expression."""
    from ministack.services import eventbridge, scheduler
    from ministack.services.cloudformation import provisioners

    scheduler._SCHEDULE_TICK_INTERVAL = eventbridge._SCHEDULER_TICK_INTERVAL = _LOOK_SECONDS
    scheduler._tick_schedules = lambda: fire_schedules(time.time())
    eventbridge._tick_scheduled_rules = lambda: fire_rules(time.time())
    eventbridge._validate_schedule_expression = _is_for_a_rule
    for name in ("_create_schedule", "_update_schedule"):
        setattr(scheduler, name, _checked(getattr(scheduler, name)))
    handlers = provisioners._RESOURCE_HANDLERS
    handlers["AWS::Scheduler::Schedule"] = {
        **handlers["AWS::Scheduler::Schedule"],
        "create": _made_by_a_stack,
        "update": _changed_by_a_stack,
    }
    resources.look_at("AWS::Events::Rule", _repeated)


# What is taken.


def refused(request: Mapping[str, Any]) -> str | None:
    """Tells why Scheduler refuses a schedule's times; None for what it takes.

    https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html
    """
    text = str(request.get("ScheduleExpression", ""))
    try:
        expressions.parse(text)
    except ExpressionInvalid as error:
        return f"Invalid Schedule Expression {text[:256]}. ({error})"
    name = str(request.get("ScheduleExpressionTimezone") or "UTC")
    try:
        expressions.zone(name)
    except ExpressionInvalid as error:
        return f"Provided ScheduleExpressionTimezone is not valid: {error}."
    try:
        start, end = (_seconds(request.get(field)) for field in ("StartDate", "EndDate"))
    except ValueError as error:
        return f"StartDate and EndDate are dates: {error}"
    if start is not None and end is not None and end <= start:
        return "The EndDate you specify must come after the StartDate."
    return _refused_window(request.get("FlexibleTimeWindow") or {})


def _refused_window(window: Mapping[str, Any]) -> str | None:
    minutes, mode = window.get("MaximumWindowInMinutes"), window.get("Mode")
    if mode not in (None, "OFF", "FLEXIBLE"):
        return "Value at 'flexibleTimeWindow.mode' failed to satisfy constraint: Member must be OFF or FLEXIBLE."
    if mode == "FLEXIBLE" and not (isinstance(minutes, int | str) and 1 <= int(minutes) <= _LONGEST_WINDOW):
        return f"FLEXIBLE needs a MaximumWindowInMinutes from 1 to {_LONGEST_WINDOW}."
    if mode == "OFF" and minutes is not None:
        return "MaximumWindowInMinutes is not allowed where the flexible time window's mode is OFF."
    return None


def _is_for_a_rule(text: str) -> bool:
    """Tells whether PutRule takes an expression: none, or one that is repeated."""
    if not text:
        return True
    try:
        return not isinstance(expressions.parse(text), Once)
    except ExpressionInvalid:
        return False


def _checked(save: Callable[[str, Document], Any]) -> Callable[[str, Document], Any]:
    def save_checked(name: str, request: Document) -> Any:
        from ministack.services import scheduler

        if request.get("ScheduleExpression") and (why := refused(request)):
            return scheduler._error(400, "ValidationException", why)
        return save(name, request)

    return save_checked


def _repeated(properties: Document) -> Document:
    """Returns the properties of a stack's rule.

    Raises:
        ValueError: its schedule is none for a rule.
    """
    if not _is_for_a_rule(str(properties.get("ScheduleExpression") or "")):
        raise ValueError("Parameter ScheduleExpression is not valid.")
    return properties


# In a stack.

_MEMBERS = (
    "ScheduleExpression",
    "ScheduleExpressionTimezone",
    "FlexibleTimeWindow",
    "Target",
    "GroupName",
    "State",
    "Description",
    "StartDate",
    "EndDate",
    "KmsKeyArn",
)


def _made_by_a_stack(logical_id: str, properties: Document, stack: str) -> tuple[str, Document]:
    from ministack.services import scheduler
    from ministack.services.cloudformation import provisioners

    name = properties.get("Name") or provisioners._physical_name(stack, logical_id, max_len=64)
    return _saved(scheduler._create_schedule, name, properties)


def _changed_by_a_stack(name: str, old: Document, new: Document, stack: str) -> tuple[str, Document]:
    from ministack.services import scheduler

    moved = new.get("Name", name) != name or new.get("GroupName", "default") != old.get("GroupName", "default")
    if moved or f"{new.get('GroupName', 'default')}/{name}" not in scheduler._schedules:
        return _made_by_a_stack(name, {"Name": name, **new}, stack)
    return _saved(scheduler._update_schedule, name, new)


def _saved(save: Callable[[str, Document], Any], name: str, properties: Document) -> tuple[str, Document]:
    """Saves a stack's schedule.

    Raises:
        ValueError: why Scheduler refuses it.
    """
    from ministack.services import scheduler

    request = {member: properties[member] for member in _MEMBERS if member in properties}
    status, _, body = save(name, request)
    if status != 200:
        raise ValueError(body.decode() if isinstance(body, bytes) else body)
    return name, {"Arn": scheduler._schedule_arn(request.get("GroupName", "default"), name)}


# What is due.


def due(expression: Expression, zone: ZoneInfo, anchor: float, window: float, seen: float, now: float) -> float | None:
    """Returns the moment that a schedule has to be fired for; of several that were missed, the first.

    `anchor` is what a rate is counted from; up to `seen` everything has been fired; within `window` seconds behind a
    moment is soon enough.
    """
    moment = expression.after(seen, anchor, zone)
    if moment is None or moment > now:
        return None
    if moment + window < now:
        # Missed, nobody looked. What is still within its window counts instead.
        later = expression.after(max(seen, now - window), anchor, zone)
        return later if later is not None and later <= now else moment
    return moment


def fire_schedules(now: float) -> None:
    """Fires each schedule that is due; one that has ended is deleted where it asks for that."""
    from ministack.services import scheduler

    for key, schedule in list(scheduler._schedules._data.items()):
        if schedule.get("State") != "ENABLED":
            continue
        try:
            _look_at(key, schedule, now)
        except ExpressionInvalid:
            # From before expressions were looked at: it never fired, and does not now.
            continue
        except Exception:
            _logger.exception("schedule %s", key[2])


def _look_at(key: Key, schedule: Document, now: float) -> None:
    from ministack.services import scheduler

    expression = expressions.parse(schedule["ScheduleExpression"])
    zone = expressions.zone(schedule.get("ScheduleExpressionTimezone") or "UTC")
    start, end = (_seconds(schedule.get(field)) for field in ("StartDate", "EndDate"))
    anchor = float(schedule["CreationDate"]) if start is None else start
    window = 60.0 * int((schedule.get("FlexibleTimeWindow") or {}).get("MaximumWindowInMinutes") or 0)
    seen = max(scheduler._schedule_last_fired.get(key, 0.0), _begun(expression, schedule, zone))
    moment = due(expression, zone, anchor, window, seen, now)
    if moment is not None and (end is None or moment <= end):
        if now < moment + _chosen(schedule, moment, window):
            return
        scheduler._schedule_last_fired[key] = seen = max(moment, now - window)
        _fire(key, schedule, moment)
    if schedule.get("ActionAfterCompletion") != "DELETE":
        return
    following = expression.after(seen, anchor, zone)
    if following is None or (end is not None and following > end):
        scheduler._schedules._data.pop(key, None)
        scheduler._schedule_last_fired.pop(key, None)


def _begun(expression: Expression, schedule: Mapping[str, Any], zone: ZoneInfo) -> float:
    """Returns the moment up to which nothing is due, whatever has been fired.

    A schedule begins with its start or with itself, and a rate is due then for the first time; after a change only
    what lies ahead counts. One time that had passed already is fired at once: nobody could have been earlier.
    """
    created, start = float(schedule["CreationDate"]), _seconds(schedule.get("StartDate"))
    changed = float(schedule.get("LastModificationDate") or created)
    begun = (created if start is None else start) - _MOMENT
    if isinstance(expression, Once):
        return min(begun, (expression.after(0.0, 0.0, zone) or begun) - _MOMENT)
    return begun if changed <= created else max(begun, changed)


def _chosen(schedule: Mapping[str, Any], moment: float, window: float) -> float:
    """Returns the second of the window that a schedule is fired in: any, and for one moment always the same."""
    if not window:
        return 0.0
    digest = hashlib.sha256(f"{schedule.get('Arn')} {moment}".encode()).digest()
    return int.from_bytes(digest[:8]) % int(window)


def _fire(key: Key, schedule: Document, moment: float) -> None:
    from ministack.services import eventbridge

    account, region, _ = key
    event = _event("aws.scheduler", account, region, schedule)
    with _Scope(account, region):
        eventbridge._invoke_target(schedule.get("Target") or {}, event, {**schedule, DUE: moment})


def fire_rules(now: float) -> None:
    """Fires each rule whose schedule is due."""
    from ministack.services import eventbridge

    for key, rule in list(eventbridge._rules._data.items()):
        text = rule.get("ScheduleExpression", "")
        if not text:
            continue
        if rule.get("State") != "ENABLED":
            # When it is enabled again it looks ahead.
            eventbridge._rule_last_fired.pop(key, None)
            continue
        try:
            expression = expressions.parse(text)
        except ExpressionInvalid:
            continue
        created = float(rule.get("CreationTime") or now)
        # The countdown of a rate begins when the rule is made; a rule is not fired for what went before it.
        seen = eventbridge._rule_last_fired.setdefault(key, created if now - created < _NEW_SECONDS else now)
        if due(expression, _UTC, created, 0.0, seen, now) is not None:
            eventbridge._rule_last_fired[key] = now
            _fire_rule(key, rule)


def _fire_rule(key: Key, rule: Document) -> None:
    from ministack.services import eventbridge

    account, region, _ = key
    event = _event("aws.events", account, region, rule) | {"EventBusName": rule.get("EventBusName", "default")}
    view = eventbridge._pattern_event_view(event)
    with _Scope(account, region):
        for target in eventbridge._targets._data.get(key, []):
            try:
                eventbridge._invoke_target(target, event, rule, view)
            except Exception:
                _logger.exception("scheduled rule %s", rule.get("Name"))


def _event(source: str, account: str, region: str, of: Mapping[str, Any]) -> Document:
    from ministack.core.responses import new_uuid

    return {
        "EventId": new_uuid(),
        "Source": source,
        "DetailType": "Scheduled Event",
        "Detail": "{}",
        "Time": time.time(),
        "Resources": [of.get("Arn", "")],
        "Account": account,
        "Region": region,
    }


class _Scope:
    """The account and region that MiniStack acts for, on this thread."""

    def __init__(self, account: str, region: str) -> None:
        self._account, self._region = account, region

    def __enter__(self) -> None:
        from ministack.core import responses

        self._before = responses.get_account_id(), responses.get_region()
        responses.set_request_account_id(self._account)
        responses.set_request_region(self._region)

    def __exit__(self, *_: object) -> None:
        from ministack.core import responses

        responses.set_request_account_id(self._before[0])
        responses.set_request_region(self._before[1])


def _seconds(value: Any) -> float | None:
    """Returns a date of a request, which is a number or ISO 8601, in POSIX seconds."""
    if value is None or isinstance(value, int | float):
        return value
    return datetime.fromisoformat(str(value)).timestamp()
