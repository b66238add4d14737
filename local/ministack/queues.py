"""SQS messages on disk: each writing saves the messages that came, went or were received.

Messages reach a queue from many places (SendMessage, topics, rules, notifications, dead letters), all of which append
to its list, and leave it when SQS gives it another list; so the lists themselves tell what changed. A visibility
timeout set by ChangeMessageVisibility is not kept: a restart may show such a message earlier or later.
"""

import json
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from local.ministack.statefile import StateFile, Statement

Scope = tuple[str, str, str]
"""Account, region and URL of a queue."""

_PUT = (
    "INSERT INTO messages (queue, id, body) VALUES (?, ?, ?) ON CONFLICT (queue, id) DO UPDATE SET body = excluded.body"
)
_DELETE = "DELETE FROM messages WHERE queue = ? AND id = ?"
_DELETE_ALL = "DELETE FROM messages WHERE queue = ?"
_REMEMBER = "INSERT OR REPLACE INTO deduplications VALUES (?, ?, ?)"
_FORGET_ALL = "DELETE FROM deduplications WHERE queue = ?"


class _Seen:
    """What is on disk of one queue."""

    __slots__ = ("count", "ids", "messages", "queue")

    def __init__(self, queue: Any) -> None:
        self.queue = queue
        self.messages: list[Any] = []
        self.count = 0
        self.ids: set[str] = set()


class Queues:
    """Which messages changed since they were last written."""

    def __init__(self) -> None:
        self._seen: dict[Scope, _Seen] = {}
        self._received: deque[tuple[Any, Any]] = deque()
        self.unsaved = False
        """Whether there is a queue whose record may not be on disk."""

    def install(self) -> None:
        """Hear of the messages that are received, and of purges."""
        from ministack.services import sqs

        collect, purge, url_of = sqs._collect_msgs, sqs._HANDLERS["PurgeQueue"], sqs._queue_url

        def url_or_former(name: str) -> Any:
            # A queue's URL names the port it was made at; started at another, the queue is still the same one.
            return sqs._queue_name_to_url.get(name) or url_of(name)

        def collect_and_tell(queue: Any, *args: Any) -> Any:
            messages = collect(queue, *args)
            self._received.extend((queue, message) for message in messages)
            return messages

        def purge_and_tell(data: Any, url: str) -> Any:
            queue = sqs._get_q(data.get("QueueUrl", url))
            response = purge(data, url)
            # Emptied and filled again before the next look, the list would seem only to have grown.
            queue["messages"] = list(queue["messages"])
            return response

        sqs._collect_msgs, sqs._HANDLERS["PurgeQueue"] = collect_and_tell, purge_and_tell
        sqs._queue_url = url_or_former

    def collect(self, statements: list[Statement]) -> "Taken":
        """Add what must be written. `put_back` the result when it could not be."""
        from ministack.services import sqs

        taken = Taken()
        live = sqs._queues._data
        for scope in [scope for scope in self._seen if scope not in live]:
            statements.extend([(_DELETE_ALL, [(_name(scope),)]), (_FORGET_ALL, [(_name(scope),)])])
            taken.gone.append((scope, self._seen.pop(scope)))
        changes: list[tuple[Scope, Any, list[Any], list[str]]] = []
        for scope, queue in list(live.items()):
            seen = self._seen.get(scope)
            if seen is None or seen.queue is not queue:
                self._seen[scope] = seen = _Seen(queue)
                self.unsaved = True
                statements.extend([(_DELETE_ALL, [(_name(scope),)]), (_FORGET_ALL, [(_name(scope),)])])
            messages = queue["messages"]
            if messages is not seen.messages or len(messages) != seen.count:
                changes.append((scope, queue, *_difference(seen, messages)))
                taken.seen.append(seen)
        puts: list[tuple[str, str, str]] = []
        for scope, queue, added, removed in changes:
            puts.extend((_name(scope), message["id"], json.dumps(message, default=_plain)) for message in added)
            if removed:
                statements.append((_DELETE, [(_name(scope), id_) for id_ in removed]))
            _remember(scope, queue, added, statements)
        puts.extend(self._receptions(taken))
        if puts:
            statements.append((_PUT, puts))
        return taken

    def _receptions(self, taken: "Taken") -> list[tuple[str, str, str]]:
        if not self._received:
            return []
        taken.received = [self._received.popleft() for _ in range(len(self._received))]
        scopes = {id(seen.queue): scope for scope, seen in self._seen.items()}
        rows = []
        for queue, message in taken.received:
            scope = scopes.get(id(queue))
            if scope is not None and message["id"] in self._seen[scope].ids:
                rows.append((_name(scope), message["id"], json.dumps(message, default=_plain)))
        return rows

    def put_back(self, taken: "Taken") -> None:
        """Compares anew with the next writing: nothing of it was written, so what is on disk is no longer known."""
        for scope, seen in taken.gone:
            self._seen.setdefault(scope, seen)
        for seen in taken.seen:
            seen.queue = None
        self._received.extendleft(taken.received)

    def load(self, file: StateFile, queues: Mapping[Scope, Any]) -> None:
        """Give the queues read from the records their messages."""
        by_name = {_name(scope): (scope, queue) for scope, queue in queues.items()}
        for queue in queues.values():
            queue.update(messages=[], dedup_cache={})
        for name, body in file.rows("SELECT queue, body FROM messages ORDER BY ordinal"):
            if name in by_name:
                by_name[name][1]["messages"].append(json.loads(body, object_hook=_bytes))
        for name, key, body in file.rows("SELECT queue, key, body FROM deduplications"):
            entry = json.loads(body)
            if name in by_name and entry["expire"] > time.time():
                by_name[name][1]["dedup_cache"][key] = entry
        for scope, queue in by_name.values():
            numbers = [
                int(message["seq"])
                for message in [*queue["messages"], *queue["dedup_cache"].values()]
                if message["seq"]
            ]
            queue["fifo_seq"] = max([queue.get("fifo_seq", 0), *numbers])
            seen = self._seen[scope] = _Seen(queue)
            seen.messages, seen.count = queue["messages"], len(queue["messages"])
            seen.ids = {message["id"] for message in queue["messages"]}


class Taken:
    """What one writing took."""

    __slots__ = ("gone", "received", "seen")

    def __init__(self) -> None:
        self.gone: list[tuple[Scope, _Seen]] = []
        self.seen: list[_Seen] = []
        self.received: list[tuple[Any, Any]] = []


def _difference(seen: _Seen, messages: list[Any]) -> tuple[list[Any], list[str]]:
    """Returns the messages that came and the ids of those that went; `seen` is brought up to date."""
    count = len(messages)
    if messages is seen.messages and count > seen.count:
        # Lists that are only appended to need no comparison: sending costs the same in a queue of any length.
        added, removed = messages[seen.count : count], []
        seen.ids.update(message["id"] for message in added)
    else:
        now = {message["id"]: message for message in messages[:count]}
        added = [message for id_, message in now.items() if id_ not in seen.ids]
        removed = [id_ for id_ in seen.ids if id_ not in now]
        seen.ids = set(now)
    seen.messages, seen.count = messages, count
    return added, removed


def _remember(scope: Scope, queue: Any, added: list[Any], statements: list[Statement]) -> None:
    """FIFO: what was sent stays known for five minutes, also when it has been received and deleted since."""
    keys = [message["dedup_cache_key"] for message in added if message.get("dedup_cache_key")]
    entries = [(key, queue["dedup_cache"].get(key)) for key in keys]
    rows = [(_name(scope), key, json.dumps(entry)) for key, entry in entries if entry]
    if rows:
        statements.append((_REMEMBER, rows))


def _name(scope: Scope) -> str:
    return "|".join(scope)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"__bytes__": value.hex()}
    # One odd message may not keep all the others from being written.
    return str(value)


def _bytes(value: dict[str, Any]) -> Any:
    hexadecimal = value.get("__bytes__") if len(value) == 1 else None
    return bytes.fromhex(hexadecimal) if isinstance(hexadecimal, str) else value
