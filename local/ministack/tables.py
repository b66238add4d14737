"""DynamoDB items on disk: each write saves the items it touched, never the table.

MiniStack stores and removes every item through two functions and swaps a whole table in known places; those say here
what changed. Streams' records stay in memory.
"""

import hashlib
import json
from collections import defaultdict, deque
from typing import Any

from local.ministack.statefile import StateFile, Statement

Items = defaultdict[str, dict[str, Any]]

_PUT = "INSERT INTO items VALUES (?, ?, ?, ?) ON CONFLICT (number, pk, sk) DO UPDATE SET body = excluded.body"
_DELETE = "DELETE FROM items WHERE number = ? AND pk = ? AND sk = ?"
_DELETE_ALL = "DELETE FROM items WHERE number = ?"


class Tables:
    """Which items changed since they were last written."""

    def __init__(self) -> None:
        # Appending to and taking from a deque are atomic: any thread changes items while another one writes.
        self._changed: deque[tuple[Any, str, str]] = deque()
        self._swapped: deque[Any] = deque()
        self._deleted: deque[int] = deque()
        self._items: dict[int, Any] = {}
        self.unsaved = False
        """Whether there is a table whose record may not be on disk."""

    def install(self) -> None:
        """Hear of every change of an item."""
        from ministack.services import dynamodb

        set_item, remove_item, items_replaced = dynamodb._set_item, dynamodb._remove_item, dynamodb._items_replaced

        def set_and_tell(table: Any, pk: str, sk: str, item: Any) -> Any:
            old = set_item(table, pk, sk, item)
            self._changed.append((table, pk, sk))
            return old

        def remove_and_tell(table: Any, pk: str, sk: str) -> Any:
            old = remove_item(table, pk, sk)
            self._changed.append((table, pk, sk))
            return old

        def replace_and_tell(table: Any) -> None:
            items_replaced(table)
            self._swapped.append(table)

        dynamodb._set_item, dynamodb._remove_item = set_and_tell, remove_and_tell
        dynamodb._items_replaced = replace_and_tell

    def compare(self) -> None:
        """Find the tables that were made, copied or deleted since the last time."""
        from ministack.services import dynamodb

        self.unsaved = False
        live = {number(table): table for table in dynamodb._tables.all_values()}
        for known in self._items.keys() - live.keys():
            self._deleted.append(known)
        for key, table in live.items():
            # A table that comes with its items (a replica, an import) has them in a dict that was never seen.
            if self._items.get(key) is not table["items"] and (key in self._items or table["items"]):
                self._swapped.append(table)
        self._items = {key: table["items"] for key, table in live.items()}

    def collect(self, statements: list[Statement]) -> "Taken":
        """Add what must be written. `put_back` the result when it could not be."""
        taken = Taken(_drain(self._changed), _drain(self._swapped), _drain(self._deleted))
        if taken.deleted:
            statements.append((_DELETE_ALL, [(key,) for key in taken.deleted]))
        for table in taken.swapped:
            self._items[number(table)] = table["items"]
            statements.append((_DELETE_ALL, [(number(table),)]))
            statements.append((_PUT, [_row(table, pk, sk, item) for pk, sk, item in _all(table["items"])]))
        puts, deletes = [], []
        for table, pk, sk in {(id(table), pk, sk): (table, pk, sk) for table, pk, sk in taken.changed}.values():
            item = table["items"].get(pk, {}).get(sk)
            self.unsaved |= number(table) not in self._items
            if item is None:
                deletes.append((number(table), pk, sk))
            else:
                puts.append(_row(table, pk, sk, item))
        if puts:
            statements.append((_PUT, puts))
        if deletes:
            statements.append((_DELETE, deletes))
        return taken

    def put_back(self, taken: "Taken") -> None:
        """Takes it up with the next writing: nothing of it was written."""
        self._changed.extendleft(taken.changed)
        self._swapped.extendleft(taken.swapped)
        self._deleted.extendleft(taken.deleted)

    def load(self, file: StateFile, tables: Any) -> None:
        """Give the tables read from the records their items."""
        items_of: dict[int, Items] = {}
        for key, pk, sk, body in file.rows("SELECT number, pk, sk, body FROM items ORDER BY rowid"):
            items = items_of.setdefault(key, defaultdict(dict))
            items[pk][sk] = json.loads(body)
        for table in tables:
            items = table["items"] = items_of.pop(number(table), defaultdict(dict))
            self._items[number(table)] = items
            table["ItemCount"] = sum(map(len, items.values()))
        # Items whose table was being deleted when the end came.
        self._deleted.extend(items_of)


class Taken:
    """What one writing took."""

    __slots__ = ("changed", "deleted", "swapped")

    def __init__(self, changed: list[tuple[Any, str, str]], swapped: list[Any], deleted: list[int]) -> None:
        self.changed, self.swapped, self.deleted = changed, swapped, deleted


def number(table: Any) -> int:
    """Returns a table's key in the file: of its TableId, as a deleted table's name may be used again."""
    digest = hashlib.blake2b(table["TableId"].encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def _drain(queue: deque[Any]) -> list[Any]:
    return [queue.popleft() for _ in range(len(queue))]


def _all(items: Any) -> list[tuple[str, str, Any]]:
    return [(pk, sk, item) for pk, by_sk in list(items.items()) for sk, item in list(by_sk.items())]


def _row(table: Any, pk: str, sk: str, item: Any) -> tuple[int, str, str, str]:
    return number(table), pk, sk, json.dumps(item)
