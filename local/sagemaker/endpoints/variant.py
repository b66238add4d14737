"""One variant of a fleet: the instances it has, how many it should have, and which of them gets a request."""

import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from local.documents import Document
from local.sagemaker.endpoints.instance import Instance
from local.sagemaker.wire.errors import WorkFailed

DRAIN_SECONDS = 60.0
"""How long an instance that is no longer wanted may take to end its requests."""
STOP_SECONDS = 20.0
_TOGETHER = 8


class Variant:
    """Its instances are changed by one thread at a time (the one that deploys) and picked by many."""

    def __init__(self, config: Document, make: Callable[[int], Instance]) -> None:
        self.config = config
        self.name: str = config["VariantName"]
        self.weight: float = config.get("InitialVariantWeight", 1.0)
        self.serverless: Document | None = config.get("ServerlessConfig")
        self.desired: int = 1 if self.serverless else config.get("InitialInstanceCount", 1)
        self._make = make
        self._made = 0
        self._lock = threading.Lock()
        self._instances: list[Instance] = []
        self._leaving: list[Instance] = []
        strategy = config.get("RoutingConfig", {}).get("RoutingStrategy")
        self._choose = random.choice if strategy == "RANDOM" else _least_busy

    @property
    def count(self) -> int:
        return len(self._instances)

    @property
    def instances(self) -> list[Instance]:
        """Also those that are being drained."""
        with self._lock:
            return [*self._instances, *self._leaving]

    def reserve(self, wanted: Instance | None = None) -> Instance | None:
        """Returns an instance with a place for one more request, to be released; None where there is no instance."""
        with self._lock:
            if not self._instances:
                return None
            chosen = wanted if wanted in self._instances else self._choose(self._instances)
            if chosen is not None:
                # Inside the lock: one that is picked is not taken away before its request is in.
                chosen.reserve()
            return chosen

    def grow(self, count: int) -> None:
        """Brings the healthy instances to `count`. Raises WorkFailed, with no more of them than before."""
        fresh = []
        for _ in range(count - self.count):
            fresh.append(self._make(self._made))
            self._made += 1
        if not fresh:
            return
        with self._lock:
            # A stop of everything finds them here.
            self._leaving += fresh
        try:
            _start(fresh)
        except WorkFailed:
            join(stopped(fresh, 0), STOP_SECONDS)
            with self._lock:
                self._leaving = [each for each in self._leaving if each not in fresh]
            raise
        with self._lock:
            self._leaving = [each for each in self._leaving if each not in fresh]
            self._instances += fresh

    def shrink(self, count: int, drain_seconds: float) -> None:
        """Keeps no more than `count`: the youngest end their requests and go."""
        with self._lock:
            leaving, self._instances = self._instances[count:], self._instances[:count]
            self._leaving += leaving
        join(stopped(leaving, drain_seconds), drain_seconds + STOP_SECONDS)
        with self._lock:
            self._leaving = [each for each in self._leaving if each not in leaving]


def _least_busy(instances: Sequence[Instance]) -> Instance:
    return min(instances, key=lambda instance: instance.busy)


def _start(instances: Sequence[Instance]) -> None:
    """Raises the first WorkFailed, once none is being started any more."""
    if len(instances) == 1:
        instances[0].start()
        return
    with ThreadPoolExecutor(min(_TOGETHER, len(instances)), "endpoint-start") as pool:
        starts = [pool.submit(instance.start) for instance in instances]
    for start in starts:
        start.result()


def stopped(instances: Iterable[Instance], drain_seconds: float) -> list[threading.Thread]:
    """Begins to stop them all at once, each in one of the threads that are returned."""
    threads = [threading.Thread(target=instance.stop, args=(drain_seconds,), daemon=True) for instance in instances]
    for thread in threads:
        thread.start()
    return threads


def join(threads: Iterable[threading.Thread], seconds: float) -> None:
    """Waits for all of them, `seconds` in all."""
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
