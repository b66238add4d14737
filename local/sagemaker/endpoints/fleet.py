"""The endpoints that run now, and how each gets from the configuration it has to the one it should have."""

import contextlib
import logging
import random
import shutil
import threading
import time
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from local.sagemaker import models
from local.sagemaker.context import Context
from local.sagemaker.endpoints import configs
from local.sagemaker.endpoints.asynchronous import AsyncQueue
from local.sagemaker.endpoints.image import prepare
from local.sagemaker.endpoints.server import Server
from local.sagemaker.endpoints.state import KIND, EndpointStatus, tell, tell_deleted
from local.sagemaker.errors import ApiError, WorkFailed
from local.sagemaker.jobs.runner import shortened
from local.sagemaker.models import Served
from local.store import Document, StoreClosed, now

logger = logging.getLogger(__name__)

LOG_GROUP = "/aws/sagemaker/Endpoints"
_DRAIN_SECONDS = 60.0
_STOP_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Variant:
    name: str
    weight: float
    servers: tuple[Server, ...]

    def pick(self) -> Server:
        """The one with the fewest requests in flight."""
        return min(self.servers, key=lambda server: server.in_flight)


@dataclass(frozen=True, slots=True)
class Deployment:
    """One endpoint configuration, up and healthy."""

    identity: str
    """Its folder's name."""
    config: Document
    variants: tuple[Variant, ...]

    def pick(self, target: str | None) -> Variant | None:
        """By name, or by weight."""
        if target is not None:
            return next((variant for variant in self.variants if variant.name == target), None)
        weights = [variant.weight for variant in self.variants]
        return random.choices(self.variants, weights if any(weights) else None)[0]

    @property
    def servers(self) -> list[Server]:
        return [server for variant in self.variants for server in variant.servers]


def _stopped(servers: Iterable[Server], drain_seconds: float) -> list[threading.Thread]:
    """All at once, each in the thread that is answered."""
    threads = [threading.Thread(target=server.stop, args=(drain_seconds,), daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    return threads


def _join(threads: Iterable[threading.Thread], deadline: float) -> None:
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))


class Endpoints:
    """Every endpoint of this cloud."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._live: dict[str, Deployment] = {}
        self._queues: dict[str, AsyncQueue] = {}
        self._draining: list[Deployment] = []
        self._starting: set[str] = set()
        self._changed = threading.Condition()
        self._closing = threading.Event()
        # What `stop_all` leaves to `join`.
        self._stops: list[threading.Thread] = []
        self._stopped_queues: list[AsyncQueue] = []

    # What others ask.

    def deploy(self, name: str, config_name: str) -> None:
        """Bring the endpoint to that configuration; its document says Creating or Updating."""
        self._in_thread(name, lambda: self._deploy(name, config_name))

    def remove(self, name: str) -> None:
        self._in_thread(name, lambda: self._remove(name))

    def live(self, name: str, seconds: float) -> Deployment | None:
        """What serves the endpoint now. One that is being brought back after a restart is waited for."""
        with self._changed:
            self._changed.wait_for(
                lambda: name in self._live or name not in self._starting or self._closing.is_set(), seconds
            )
            return self._live.get(name)

    def queue(self, name: str) -> AsyncQueue | None:
        with self._changed:
            return self._queues.get(name)

    def restore(self) -> None:
        """After a restart of the local cloud: everything that was in service comes back."""
        for document in self._context.store.find(KIND):
            name = document["EndpointName"]
            status = EndpointStatus(document["EndpointStatus"])
            if status is EndpointStatus.DELETING:
                self.remove(name)
            elif status is EndpointStatus.CREATING:
                self.deploy(name, document["EndpointConfigName"])
            elif status is not EndpointStatus.FAILED:
                self._in_thread(name, lambda name=name, document=document: self._bring_back(name, document))

    def stop_all(self) -> None:
        """Begin to stop everything, also what is being started or drained; `join` waits for it."""
        with self._changed:
            self._closing.set()
            deployments, self._live = [*self._live.values(), *self._draining], {}
            self._stopped_queues, self._queues = list(self._queues.values()), {}
            self._changed.notify_all()
        # Before their containers go: what fails from here on is not the request's fault.
        for queue in self._stopped_queues:
            queue.stop()
        self._stops = _stopped((server for deployment in deployments for server in deployment.servers), 0)

    def join(self, deadline: float) -> None:
        """Until all that is gone, or it is `deadline` (time.monotonic)."""
        _join(self._stops, deadline)
        for queue in self._stopped_queues:
            queue.join(deadline)
        with self._changed:
            self._changed.wait_for(lambda: not self._starting, max(0.0, deadline - time.monotonic()))

    # The work, each in a thread of its own.

    def _in_thread(self, name: str, work: Any) -> None:
        with self._changed:
            self._starting.add(name)

        def run() -> None:
            try:
                work()
            except Exception as error:
                if self._closing.is_set():
                    # Left as it is stored; the next start goes on with it.
                    return
                logger.exception("endpoint %s", name)
                self._fail(name, f"InternalServerError: {type(error).__name__}: {error}")
            finally:
                with self._changed:
                    self._starting.discard(name)
                    self._changed.notify_all()

        threading.Thread(target=run, name=f"endpoint-{name}", daemon=True).start()

    def _deploy(self, name: str, config_name: str) -> None:
        with self._changed:
            old = self._live.get(name)
        try:
            config = configs.describe(self._context, {"EndpointConfigName": config_name})
            served = {
                v["VariantName"]: models.served(self._context, v["ModelName"]) for v in config["ProductionVariants"]
            }
            new = self._start(name, uuid.uuid4().hex[:12], config, served)
            self._switch(name, new)
        except (WorkFailed, ApiError) as error:
            if self._closing.is_set():
                return
            if old is None:
                self._fail(name, str(error))
            else:
                self._keep_old(name, str(error))
            return
        snapshot = {"Identity": new.identity, "Config": config, "Served": {k: asdict(v) for k, v in served.items()}}
        self._in_service(name, config, snapshot)
        if old is not None:
            self._drain(old)
            shutil.rmtree(self._context.settings.endpoints_dir / name / old.identity, ignore_errors=True)

    def _bring_back(self, name: str, document: Document) -> None:
        snapshot = document["_Snapshot"]
        served = {variant: Served(**members) for variant, members in snapshot["Served"].items()}
        try:
            self._switch(name, self._start(name, snapshot["Identity"], snapshot["Config"], served))
        except WorkFailed as error:
            if not self._closing.is_set():
                self._fail(name, str(error))
            return
        if EndpointStatus(document["EndpointStatus"]) is EndpointStatus.UPDATING:
            self._deploy(name, document["_Update"])

    def _start(self, name: str, identity: str, config: Document, served: dict[str, Served]) -> Deployment:
        """Every process of the configuration, healthy. Raises WorkFailed, with nothing left running."""
        started: list[Server] = []
        variants = []
        try:
            for wanted in config["ProductionVariants"]:
                servers = self._servers(name, identity, wanted, served[wanted["VariantName"]])
                for server in servers:
                    started.append(server)
                    server.start()
                variants.append(Variant(wanted["VariantName"], wanted.get("InitialVariantWeight", 1.0), servers))
        except WorkFailed:
            _join(_stopped(started, 0), time.monotonic() + _STOP_SECONDS)
            raise
        return Deployment(identity, config, tuple(variants))

    def _servers(self, name: str, identity: str, wanted: Document, served: Served) -> tuple[Server, ...]:
        variant = wanted["VariantName"]
        folder = self._context.settings.endpoints_dir / name / identity / variant
        prepared = prepare(self._context, served, folder, lambda line: logger.info("%s: %s", name, line))
        seconds = wanted.get("ContainerStartupHealthCheckTimeoutInSeconds", self._context.settings.startup_seconds)
        return tuple(
            Server(
                self._context,
                prepared,
                f"{LOG_GROUP}/{name}",
                f"{variant}/{identity}-{index}",
                float(seconds),
                self._closing,
                lambda reason: self._given_up(name, identity, reason),
            )
            for index in range(max(1, wanted.get("InitialInstanceCount", 1)))
        )

    def _switch(self, name: str, new: Deployment) -> None:
        """From here on new requests go to `new`. Raises WorkFailed when the local cloud is being stopped."""
        with self._changed:
            open_still = not self._closing.is_set()
            if open_still:
                self._live[name] = new
                self._serve_queue(name, new)
                self._changed.notify_all()
        if not open_still:
            _join(_stopped(new.servers, 0), time.monotonic() + _STOP_SECONDS)
            raise WorkFailed("the local cloud is being stopped")

    def _serve_queue(self, name: str, deployment: Deployment) -> None:
        wanted = deployment.config.get("AsyncInferenceConfig")
        queue = self._queues.get(name)
        if wanted is None:
            if queue is not None:
                self._queues.pop(name).stop()
            return
        if queue is None:
            queue = self._queues[name] = AsyncQueue(self._context, name)
        instances = sum(len(variant.servers) for variant in deployment.variants)
        queue.serve(deployment, instances)

    def _drain(self, deployment: Deployment) -> None:
        """Nothing new is given to it. Let its requests end, stop it; at once when the local cloud is being stopped."""
        with self._changed:
            self._draining.append(deployment)
            seconds = 0.0 if self._closing.is_set() else _DRAIN_SECONDS
        _join(_stopped(deployment.servers, seconds), time.monotonic() + seconds + _STOP_SECONDS)
        with self._changed:
            # By identity: two of one content compare equal.
            self._draining = [other for other in self._draining if other is not deployment]

    def _remove(self, name: str) -> None:
        with self._changed:
            deployment = self._live.pop(name, None)
            queue = self._queues.pop(name, None)
        if queue is not None:
            queue.stop()
            queue.forget()
        if deployment is not None:
            self._drain(deployment)
        shutil.rmtree(self._context.settings.endpoints_dir / name, ignore_errors=True)
        store = self._context.store
        with store.transaction():
            document = store.get(KIND, name)
            if document is not None and store.delete(KIND, name):
                document["LastModifiedTime"] = now()
                tell_deleted(self._context, document)

    # What the document says.

    def _in_service(self, name: str, config: Document, snapshot: Document) -> None:
        def change(document: Document) -> None:
            document["EndpointConfigName"] = config["EndpointConfigName"]
            document["EndpointStatus"] = EndpointStatus.IN_SERVICE.value
            document["ProductionVariants"] = [_summary(v) for v in config["ProductionVariants"]]
            document.pop("AsyncInferenceConfig", None)
            if "AsyncInferenceConfig" in config:
                document["AsyncInferenceConfig"] = config["AsyncInferenceConfig"]
            document["_Snapshot"] = snapshot
            document.pop("FailureReason", None)

        self._record(name, change)

    def _keep_old(self, name: str, reason: str) -> None:
        def change(document: Document) -> None:
            document["EndpointStatus"] = EndpointStatus.IN_SERVICE.value
            document["FailureReason"] = shortened(reason)

        self._record(name, change)

    def _fail(self, name: str, reason: str) -> None:
        def change(document: Document) -> None:
            document["EndpointStatus"] = EndpointStatus.FAILED.value
            document["FailureReason"] = shortened(reason)

        self._record(name, change)

    def _given_up(self, name: str, identity: str, reason: str) -> None:
        """A process in service died for good. Nothing is said when a newer deployment has taken over."""
        with self._changed:
            current = self._live.get(name)
            mine = current is not None and current.identity == identity
        if mine and not self._closing.is_set():
            with contextlib.suppress(StoreClosed):
                self._fail(name, reason)

    def _record(self, name: str, change: Any) -> None:
        def recorded(document: Document) -> None:
            change(document)
            document.pop("_Update", None)
            document["LastModifiedTime"] = now()
            tell(self._context, document)

        self._context.store.change(KIND, name, recorded)


def _summary(variant: Document) -> Document:
    weight = variant.get("InitialVariantWeight", 1.0)
    count = max(1, variant.get("InitialInstanceCount", 1))
    summary: Document = {
        "VariantName": variant["VariantName"],
        "CurrentWeight": weight,
        "DesiredWeight": weight,
        "CurrentInstanceCount": count,
        "DesiredInstanceCount": count,
    }
    if "ServerlessConfig" in variant:
        summary["CurrentServerlessConfig"] = variant["ServerlessConfig"]
    return summary
