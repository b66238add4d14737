"""What MiniStack's services hold besides items, messages and objects: one row for each resource.

A service gives its whole state and only the rows that differ from the file are written. Log groups are one row for
each stream, looked into only when the stream has new lines: lines are written with the next sweep, not before they
are acknowledged, and a kill -9 takes those of the last seconds.
"""

import ast
import copy
import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from types import FunctionType, SimpleNamespace
from typing import Any

from local.ministack.statefile import StateFile, Statement

Row = tuple[str, str, str, str, str]
"""Service, store, key, kind, body: a row of the file."""

_PUT = "INSERT OR REPLACE INTO records (service, store, key, kind, body) VALUES (?, ?, ?, ?, ?)"
_DELETE = "DELETE FROM records WHERE service = ? AND store = ? AND key = ?"
_READS = 20

# MiniStack's own copies cost ten times what writing costs. These services copy their stores and nothing else, so that
# the stores themselves can be read; the others (Lambda's changes what it copied) are taken as they come.
UNCOPIED = frozenset({"cloudformation", "cloudwatch_logs", "dynamodb", "eventbridge", "scheduler", "sns", "sqs", "ssm"})

# Of these, a request says itself which resources it looked at: only those can have changed, and only they are compared.
# Their handlers never wait for anything, so that no other request comes between.
WATCHED = frozenset({"eventbridge", "scheduler", "sns", "ssm"})

# What MiniStack forgets even on a clean stop: a lock on an object, and what a schedule has fired already.
UNSAVED = {
    "eventbridge": {"rule_last_fired": "_rule_last_fired"},
    "s3": {"object_retention": "_object_retention", "object_legal_hold": "_object_legal_hold"},
    "scheduler": {"schedule_last_fired": "_schedule_last_fired"},
}

_log = logging.getLogger(__name__)


class Records:
    """The rows of the file, by hash; the state of MiniStack, by service."""

    def __init__(self) -> None:
        self._written: dict[str, dict[tuple[str, str], int]] = {}
        self._streams: dict[str, Any] = {}
        self._refused: set[tuple[str, str]] = set()
        self._watched: dict[str, dict[str, _Watched]] = {}

    def changes(self, service: str) -> tuple[list[Statement], Callable[[], None]]:
        """Returns what a service has that the file has not; call the second when it has been written."""
        rows, streams = self._rows(service)
        before = self._written.get(service, {})
        now = {(store, key): hash((kind, body)) for _, store, key, kind, body in rows if body}
        now.update({(row[1], row[2]): before[row[1], row[2]] for row in rows if not row[4]})
        puts = [row for row in rows if row[4] and before.get((row[1], row[2])) != now[row[1], row[2]]]
        gone = [(service, *name) for name in before.keys() - now.keys()]
        statements: list[Statement] = []
        if puts:
            statements.append((_PUT, puts))
        if gone:
            statements.append((_DELETE, gone))

        def written() -> None:
            self._written[service] = now
            self._streams.update(streams)

        return statements, written

    def watch(self, service: str) -> None:
        """Forget what was looked at so far."""
        if service not in self._watched:
            self._watched[service] = _watch(service)
        for store in self._watched[service].values():
            store.looked_at.clear()
            store.looked_at_all = False

    def changes_since_watch(self, service: str) -> tuple[list[Statement], Callable[[], None]] | None:
        """Returns what `changes` does, for what was looked at; None: that is everything. On the thread of `watch`."""
        stores = self._watched.get(service, {})
        if not stores or any(store.looked_at_all for store in stores.values()):
            return None
        before = self._written.setdefault(service, {})
        now: dict[tuple[str, str], int] = {}
        puts, gone = [], []
        for name, store in stores.items():
            for scope in list(store.looked_at):
                key = name, repr(scope)
                if scope not in store:
                    if key in before:
                        gone.append((service, *key))
                    continue
                try:
                    body = json.dumps(dict.__getitem__(store, scope), default=_default)
                except (TypeError, ValueError):
                    return None
                now[key] = hash((store.kind, body))
                if before.get(key) != now[key]:
                    puts.append((service, *key, store.kind, body))

        def written() -> None:
            before.update(now)
            for _, *key in gone:
                before.pop((key[0], key[1]), None)

        return [(sql, rows) for sql, rows in ((_PUT, puts), (_DELETE, gone)) if rows], written

    def _rows(self, service: str) -> tuple[list[Row], dict[str, Any]]:
        """Returns the rows; one without a body has not changed since it was written."""
        for _ in range(_READS):
            try:
                streams: dict[str, Any] = {}
                state = _state(service)
                if service == "cloudwatch_logs":
                    state["log_groups"], lines = self._log_groups(state["log_groups"], streams)
                    return [*self._encode(service, state), *lines], streams
                return list(self._encode(service, state)), streams
            except RuntimeError:
                # "dictionary changed size during iteration": MiniStack takes no lock around its stores.
                continue
        raise RuntimeError(f"the state of {service} did not hold still")

    def _encode(self, service: str, state: Mapping[str, Any]) -> Iterator[Row]:
        for store, value in state.items():
            for key, kind, entry in _entries(value):
                try:
                    yield service, store, key, kind, json.dumps(entry, default=_default)
                except (TypeError, ValueError) as error:
                    if (service, store) not in self._refused:
                        self._refused.add((service, store))
                        _log.error("%s %s is not kept: %s", service, store, error)

    def _log_groups(self, groups: Any, streams: dict[str, Any]) -> tuple[Any, list[Row]]:
        """Returns the groups without their streams, and a row for each stream."""
        bare, lines = type(groups)(), []
        for scope, group in list(groups._data.items()):
            bare._data[scope] = {name: value for name, value in group.items() if name != "streams"}
            for name, stream in list(group.get("streams", {}).items()):
                key = repr((*scope, name))
                mark = (len(stream["events"]), stream.get("lastIngestionTime"), stream.get("lastEventTimestamp"))
                body = "" if self._streams.get(key) == mark else json.dumps(stream, default=_default)
                streams[key] = mark
                lines.append(("cloudwatch_logs", "streams", key, "stream", body))
        return bare, lines

    def load(self, file: StateFile) -> dict[str, dict[str, Any]]:
        """Returns the states as MiniStack restores them, by service."""
        states: dict[str, dict[str, Any]] = {}
        for service, store, key, kind, body in file.rows("SELECT service, store, key, kind, body FROM records"):
            self._written.setdefault(service, {})[store, key] = hash((kind, body))
            _decode(states.setdefault(service, {}), store, key, kind, json.loads(body, object_hook=_hook))
        logs = states.get("cloudwatch_logs", {})
        for key, stream in logs.pop("streams", {}).items():
            *scope, name = ast.literal_eval(key)
            if (group := logs.get("log_groups") and logs["log_groups"]._data.get(tuple(scope))) is not None:
                group.setdefault("streams", {})[name] = stream
                mark = (len(stream["events"]), stream.get("lastIngestionTime"), stream.get("lastEventTimestamp"))
                self._streams[key] = mark
        for group in logs["log_groups"]._data.values() if "log_groups" in logs else ():
            group.setdefault("streams", {})
        return states


def services() -> Mapping[str, Any]:
    """Returns the loaded modules that have a state, by the name MiniStack saves it under."""
    from ministack import app as ministack_app

    names = ministack_app._state_map
    loaded = {key: sys.modules.get(f"ministack.services.{module}") for key, module in names.items()}
    return {key: module for key, module in loaded.items() if module is not None and hasattr(module, "get_state")}


def restore_unsaved(service: str, state: Mapping[str, Any]) -> None:
    """Put back what MiniStack itself does not restore."""
    module = services()[service]
    for store, name in UNSAVED.get(service, {}).items():
        if store in state:
            target, value = getattr(module, name), state[store]
            getattr(target, "_data", target).update(getattr(value, "_data", value))


class _Watched(dict[Any, Any]):
    """The entries of a store, which knows those that were looked at: what nobody looked at nobody changed."""

    __slots__ = ("kind", "looked_at", "looked_at_all")

    def __init__(self, entries: dict[Any, Any], kind: str) -> None:
        super().__init__(entries)
        self.kind = kind
        self.looked_at: set[Any] = set()
        self.looked_at_all = False

    def __getitem__(self, key: Any) -> Any:
        self.looked_at.add(key)
        return super().__getitem__(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.looked_at.add(key)
        super().__setitem__(key, value)

    def __delitem__(self, key: Any) -> None:
        self.looked_at.add(key)
        super().__delitem__(key)

    def get(self, key: Any, default: Any = None) -> Any:
        self.looked_at.add(key)
        return super().get(key, default)

    def pop(self, key: Any, *default: Any) -> Any:
        self.looked_at.add(key)
        return super().pop(key, *default)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        self.looked_at.add(key)
        return super().setdefault(key, default)

    def values(self) -> Any:
        self.looked_at_all = True
        return super().values()

    def items(self) -> Any:
        self.looked_at_all = True
        return super().items()

    def update(self, *args: Any, **options: Any) -> None:
        self.looked_at_all = True
        super().update(*args, **options)

    def clear(self) -> None:
        self.looked_at_all = True
        super().clear()

    def __copy__(self) -> dict[Any, Any]:
        return dict(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[Any, Any]:
        return copy.deepcopy(dict(self), memo)


def _watch(service: str) -> dict[str, _Watched]:
    from ministack.core.responses import AccountRegionScopedDict, AccountScopedDict

    watched = {}
    for name, store in _uncopied(services()[service]).items():
        if isinstance(store, AccountRegionScopedDict | AccountScopedDict):
            kind = "regional" if isinstance(store, AccountRegionScopedDict) else "scoped"
            watched[name] = store._data = _Watched(store._data, kind)
    return watched


def _state(service: str) -> dict[str, Any]:
    module = services()[service]
    state = _uncopied(module) if service in UNCOPIED else module.get_state()
    state = dict(state or {})
    if service == "dynamodb":
        state["tables"] = _without(state["tables"], {"items", "_index_members", "ItemCount", "TableSizeBytes"})
    if service == "sqs":
        state["queues"] = _without(state["queues"], {"messages", "dedup_cache"})
    for store, name in UNSAVED.get(service, {}).items():
        state[store] = getattr(module, name)
    return state


def _uncopied(module: Any) -> Any:
    copies = SimpleNamespace(deepcopy=lambda value: value)
    return FunctionType(module.get_state.__code__, {**vars(module), "copy": copies})()


def _without(store: Any, names: set[str]) -> Any:
    bare = type(store)()
    for scope, record in list(store._data.items()):
        bare._data[scope] = {name: value for name, value in record.items() if name not in names}
    return bare


def _entries(value: Any) -> Iterator[tuple[str, str, Any]]:
    """Key, kind and content of each row that a store is kept in."""
    from ministack.core.responses import AccountRegionScopedDict, AccountScopedDict

    if isinstance(value, AccountRegionScopedDict | AccountScopedDict):
        kind = "regional" if isinstance(value, AccountRegionScopedDict) else "scoped"
        for scope, entry in list(value._data.items()):
            yield repr(scope), kind, entry
    elif isinstance(value, dict) and value and all(isinstance(key, tuple) for key in value):
        for key, entry in list(value.items()):
            yield repr(key), "keyed", entry
    elif value:
        yield "", "whole", value


def _decode(state: dict[str, Any], store: str, key: str, kind: str, entry: Any) -> None:
    from ministack.core.responses import AccountRegionScopedDict, AccountScopedDict

    match kind:
        case "regional":
            state.setdefault(store, AccountRegionScopedDict())._data[ast.literal_eval(key)] = entry
        case "scoped":
            state.setdefault(store, AccountScopedDict())._data[ast.literal_eval(key)] = entry
        case "keyed":
            state.setdefault(store, {})[ast.literal_eval(key)] = entry
        case "stream":
            state.setdefault(store, {})[key] = entry
        case _:
            state[store] = entry


def _default(value: Any) -> Any:
    from ministack.core import persistence

    if isinstance(value, set | frozenset):
        return {"__set__": sorted(value)}
    return persistence._json_default(value)


def _hook(value: dict[str, Any]) -> Any:
    from ministack.core import persistence

    return set(value["__set__"]) if value.keys() == {"__set__"} else persistence._json_object_hook(value)
