"""State machines, their versions and aliases: in memory for whoever starts executions, in the store for good.

A document is never changed in place, so a reader of any thread sees one as it was at some moment.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from local.documents import Document
from local.store import Store

_MACHINE, _VERSION, _ALIAS = "machine", "version", "alias"
_Names = dict[str, Document]


class Machines:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.RLock()
        self._pending: list[Callable[[], object]] = []
        self._machines: _Names = {machine["name"]: machine for machine in store.find(_MACHINE)}
        self._versions: dict[str, _Names] = {name: {} for name in self._machines}
        self._aliases: dict[str, _Names] = {name: {} for name in self._machines}
        for version in store.find(_VERSION):
            self._versions[version["name"]][str(version["_number"])] = version
        for alias in store.find(_ALIAS):
            self._aliases[alias["_machine"]][alias["name"]] = alias

    # Reading, by any thread.

    def get(self, name: str) -> Document | None:
        return self._machines.get(name)

    def version(self, machine: str, number: str) -> Document | None:
        return self._versions.get(machine, {}).get(number)

    def alias(self, machine: str, name: str) -> Document | None:
        return self._aliases.get(machine, {}).get(name)

    def all(self) -> list[Document]:
        with self._lock:
            return list(self._machines.values())

    def count(self) -> int:
        return len(self._machines)

    def versions(self, machine: str) -> list[Document]:
        with self._lock:
            return list(self._versions.get(machine, {}).values())

    def aliases(self, machine: str) -> list[Document]:
        with self._lock:
            return list(self._aliases.get(machine, {}).values())

    # Changing, inside `changing`.

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Makes one change at a time, wholly or not at all. What is read inside is what was before it."""
        with self._lock:
            try:
                with self._store.transaction():
                    yield
            except BaseException:
                self._pending.clear()
                raise
            for change in self._pending:
                change()
            self._pending.clear()

    def put(self, machine: Document) -> None:
        name = machine["name"]
        self._store.put(_MACHINE, name, machine)
        self._pending.append(lambda: self._set(name, machine))

    def put_version(self, version: Document) -> None:
        name, number = version["name"], str(version["_number"])
        self._store.put(_VERSION, f"{name}:{number}", version)
        self._pending.append(lambda: self._versions[name].__setitem__(number, version))

    def put_alias(self, alias: Document) -> None:
        machine, name = alias["_machine"], alias["name"]
        self._store.put(_ALIAS, f"{machine}:{name}", alias)
        self._pending.append(lambda: self._aliases[machine].__setitem__(name, alias))

    def drop(self, machine: str) -> None:
        """Deletes a machine with its versions and aliases."""
        self.drop_qualified(machine)
        self._store.delete(_MACHINE, machine)
        self._pending.append(lambda: self._forget(machine))

    def drop_qualified(self, machine: str) -> None:
        """Deletes a machine's versions and aliases."""
        for version in self.versions(machine):
            self.drop_version(machine, str(version["_number"]))
        for alias in self.aliases(machine):
            self.drop_alias(machine, alias["name"])

    def drop_version(self, machine: str, number: str) -> None:
        self._store.delete(_VERSION, f"{machine}:{number}")
        self._pending.append(lambda: self._versions[machine].pop(number, None))

    def drop_alias(self, machine: str, name: str) -> None:
        self._store.delete(_ALIAS, f"{machine}:{name}")
        self._pending.append(lambda: self._aliases[machine].pop(name, None))

    def _set(self, name: str, machine: Document) -> None:
        self._machines[name] = machine
        self._versions.setdefault(name, {})
        self._aliases.setdefault(name, {})

    def _forget(self, name: str) -> None:
        for kept in (self._machines, self._versions, self._aliases):
            kept.pop(name, None)


def public(document: Mapping[str, object]) -> Document:
    """Returns a document without the members that are ours."""
    return {name: value for name, value in document.items() if not name.startswith("_")}
