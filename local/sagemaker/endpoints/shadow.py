"""Copies of requests for shadow variants: their answers are dropped, and nothing that happens to them is anybody's."""

import io
import logging
import random
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from local.sagemaker.endpoints.fleet import Fleet
from local.sagemaker.endpoints.instance import Ask, Unanswered
from local.sagemaker.endpoints.variant import Variant
from local.sagemaker.machine.metrics import Metrics
from local.sagemaker.wire.errors import WorkFailed

logger = logging.getLogger(__name__)

_THREADS = 4
_MOST_WAITING = 100


class Shadows:
    """Those of one endpoint."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._room = threading.Semaphore(_MOST_WAITING)

    def copy(self, fleet: Fleet, headers: Mapping[str, str], body: bytes, seconds: float, metrics: Metrics) -> None:
        """Sends a copy to the shadow variants of `fleet`, each as often as its weight says. Does not wait."""
        for shadow in fleet.shadows:
            if random.random() >= sampled(shadow, fleet):
                continue
            # A shadow that is too slow misses requests; the ones that count do not wait for it.
            if not self._room.acquire(blocking=False):
                continue
            self._pool = self._pool or ThreadPoolExecutor(_THREADS, "endpoint-shadow")
            self._pool.submit(self._ask, shadow, Ask(dict(headers), io.BytesIO(body), seconds), metrics)

    def _ask(self, shadow: Variant, ask: Ask, metrics: Metrics) -> None:
        instance = shadow.reserve()
        try:
            if instance is None:
                return
            with metrics.timed(shadow.name, shadow.count) as timed:
                reply = instance.ask(ask)
                try:
                    timed.status = reply.status
                    while reply.read():
                        pass
                finally:
                    reply.close()
        except (Unanswered, WorkFailed) as error:
            logger.info("shadow variant %s: %s", shadow.name, error)
        finally:
            if instance is not None:
                instance.release()
            self._room.release()


def sampled(shadow: Variant, fleet: Fleet) -> float:
    """Returns what part of the requests a shadow gets: its weight against the production variant's, at most 1."""
    weight = sum(variant.weight for variant in fleet.variants)
    return 1.0 if weight <= 0 else min(1.0, shadow.weight / weight)
