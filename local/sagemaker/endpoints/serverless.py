"""A serverless variant: started for a request, stopped when nobody asked for a while."""

import threading
from collections.abc import Mapping

from local.sagemaker.endpoints.instance import Instance
from local.sagemaker.endpoints.variant import DRAIN_SECONDS, Variant
from local.sagemaker.machine.machine import Machine
from local.sagemaker.wire.errors import Throttled, WorkFailed


class OnDemand:
    """At most MaxConcurrency requests at a time; no instance while idle, unless concurrency is provisioned."""

    def __init__(self, machine: Machine, variant: Variant, closing: threading.Event) -> None:
        config = variant.serverless or {}
        self._variant = variant
        self._most: int = config.get("MaxConcurrency", 1)
        self._kept = "ProvisionedConcurrency" in config
        self._idle_seconds = machine.settings.hosting.serverless_idle_seconds
        self._clock = machine.settings.hosting.clock
        self._closing = closing
        # Held while the instance is started or stopped.
        self._instance = threading.Lock()
        # Guards what follows.
        self._state = threading.Lock()
        self._requests = 0
        self._ended = threading.Event()
        self._last = self._clock.now()
        self._watcher: threading.Thread | None = None

    def change(self, config: Mapping[str, int]) -> None:
        """Takes `config` for the variant's ServerlessConfig from now on."""
        self._most = config["MaxConcurrency"]
        self._kept = "ProvisionedConcurrency" in config

    def reserve(self) -> Instance | None:
        """Raises Throttled, and WorkFailed when the container cannot be started."""
        with self._state:
            if self._requests >= self._most:
                raise Throttled(
                    f"Variant {self._variant.name} has {self._most} requests in flight: its MaxConcurrency."
                )
            self._requests += 1
        try:
            return self._reserve()
        except BaseException:
            self.released()
            raise

    def _reserve(self) -> Instance | None:
        instance = self._variant.reserve()
        if instance is not None:
            return instance
        with self._instance:
            if self._ended.is_set() or self._closing.is_set():
                raise WorkFailed("the endpoint is being stopped")
            self._variant.grow(1)
            return self._variant.reserve()

    def released(self) -> None:
        """Counts one request less."""
        with self._state:
            self._requests -= 1
        self.rest()

    def rest(self) -> None:
        """Takes the variant for idle from here on, if it has no request."""
        with self._state:
            self._last = self._clock.now()
            idle = self._requests == 0 and not self._kept and self._watcher is None
            if idle and not self._ended.is_set():
                self._watcher = threading.Thread(target=self._watch, name="endpoint-idle", daemon=True)
                self._watcher.start()

    def end(self) -> None:
        """Has no instance started any more. Does not wait for one that is being started."""
        self._ended.set()

    def join(self) -> None:
        """Waits, after `end`, until nothing is being started or stopped."""
        with self._instance:
            return

    def _watch(self) -> None:
        """Waits until it was idle long enough, or requests are in: after them it is watched anew."""
        while True:
            with self._state:
                left = self._last + self._idle_seconds - self._clock.now()
                if self._requests or left <= 0:
                    self._watcher = None
                    break
            if self._clock.wait(left, self._ended):
                return
        with self._instance:
            if not self._requests and not self._ended.is_set():
                # One that comes in just now is let end; the next starts the container again.
                self._variant.shrink(0, DRAIN_SECONDS)
