"""The backlog of an asynchronous endpoint, and the workers that empty it.

A request is stored before it is acknowledged and forgotten after its result and its message are out. A crash in
between runs it again, which writes the same objects again: at least once, as on AWS.
"""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterator

from local.documents import Document
from local.sagemaker.endpoints.inference import Inference
from local.sagemaker.endpoints.traffic import Route, Traffic
from local.sagemaker.machine.machine import Machine
from local.sagemaker.machine.metrics import Metrics
from local.sagemaker.wire.errors import WorkFailed
from local.store import StoreClosed

KIND = "inference-request"
_DEFAULT_CONCURRENCY = 4
_MAX_AHEAD = 8
_MAX_THREADS = 512


class AsyncQueue:
    """One endpoint's backlog and its workers.

    There are more workers than requests at the containers: some fetch the next inputs or store results meanwhile.
    """

    def __init__(self, machine: Machine, name: str, traffic: Traffic) -> None:
        self._machine = machine
        self._name = name
        self._traffic = traffic
        self._metrics = Metrics(machine.meter, name)
        self._config: Document = {}
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        # Guards what follows, and tells of what there is to do and of places at the containers.
        self._state = threading.RLock()
        self._arrived = threading.Condition(self._state)
        self._free = threading.Condition(self._state)
        self._pending: deque[str] = deque()
        self._known: set[str] = set()
        self._idle = 0
        self._workers = 0
        self._most = 0
        """Requests at the containers at a time; 0 while the endpoint has no instance."""
        self._asking = 0
        for key, _ in machine.store.items(KIND, f"{name}/"):
            self.add(key)

    @property
    def backlog(self) -> int:
        """Requests that are not done."""
        return len(self._known)

    def add(self, key: str) -> None:
        # A request stored while this queue was being made is seen twice, and taken once.
        with self._state:
            if key in self._known:
                return
            self._known.add(key)
            self._pending.append(key)
            self._hire()
            self._arrived.notify()
        self._count()

    def serve(self, config: Document, instances: int) -> None:
        """Lets so many instances take requests from now on, each as many as its configuration says."""
        each = config.get("ClientConfig", {}).get("MaxConcurrentInvocationsPerInstance", _DEFAULT_CONCURRENCY)
        with self._state:
            self._config = config
            self._most = instances * each
            for _ in range(len(self._pending)):
                self._hire()
            self._arrived.notify_all()
            self._free.notify_all()

    def stop(self) -> None:
        """Has the workers leave after the request they are at; the rest stays stored."""
        with self._state:
            self._stopping.set()
            self._pending.clear()
            self._arrived.notify_all()
            self._free.notify_all()

    def join(self, deadline: float) -> None:
        """Waits, after `stop`, until the workers have left, or it is `deadline` (time.monotonic)."""
        for thread in list(self._threads):
            thread.join(max(0.0, deadline - time.monotonic()))

    @staticmethod
    def forget(machine: Machine, name: str) -> None:
        """Deletes the backlog of an endpoint that is deleted."""
        for key, _ in machine.store.items(KIND, f"{name}/"):
            machine.store.delete(KIND, key)

    def _hire(self) -> None:
        """Starts one more worker where one is missing; inside the lock."""
        wanted = min(self._most + min(self._most, _MAX_AHEAD), _MAX_THREADS)
        if self._idle >= len(self._pending) or self._workers >= wanted or self._stopping.is_set():
            return
        self._workers += 1
        thread = threading.Thread(target=self._work, name=f"async-{self._name}", daemon=True)
        self._threads = [other for other in self._threads if other.is_alive() or other.ident is None]
        self._threads.append(thread)
        thread.start()

    def _next(self) -> str | None:
        """Returns the key of the next request, waited for; None tells the worker to leave."""
        with self._state:
            self._idle += 1
            self._arrived.wait_for(lambda: self._stopping.is_set() or (self._pending and self._most))
            self._idle -= 1
            return None if self._stopping.is_set() else self._pending.popleft()

    def _work(self) -> None:
        # A store that is closed has the request still: it runs again after the restart.
        with contextlib.suppress(StoreClosed):
            while (key := self._next()) is not None:
                self._take(key)

    def _take(self, key: str) -> None:
        request = self._machine.store.get(KIND, key)
        if request is not None:
            inference = Inference(self._machine, self._name, request, self._config)
            if not inference.run(self._turn, self._stopping):
                return
            self._machine.store.delete(KIND, key)
        with self._state:
            self._known.discard(key)
        self._count()

    @contextlib.contextmanager
    def _turn(self) -> Iterator[Route]:
        """Yields a place at an instance, waited for. Raises WorkFailed at a stop."""
        with self._state:
            self._free.wait_for(lambda: self._stopping.is_set() or self._asking < self._most)
            self._asking += 1
        try:
            route = None if self._stopping.is_set() else self._traffic.route()
            if route is None:
                raise WorkFailed("the endpoint has no instance")
            try:
                yield route
            finally:
                route.fleet.release(route.variant, route.instance)
        finally:
            with self._state:
                self._asking -= 1
                self._free.notify()

    def _count(self) -> None:
        backlog = float(self.backlog)
        most = self._most
        self._metrics.endpoint(
            {
                "ApproximateBacklogSize": backlog,
                "ApproximateBacklogSizePerInstance": backlog,
                "HasBacklogWithoutCapacity": float(backlog > 0 and most == 0),
            }
        )
