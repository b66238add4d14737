"""The endpoints that run now, and how each gets to what its document says it should be."""

import contextlib
import logging
import shutil
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from local.documents import Document
from local.sagemaker.endpoints import rollout
from local.sagemaker.endpoints.backlog import AsyncQueue
from local.sagemaker.endpoints.capture import Capture
from local.sagemaker.endpoints.deployment import Change, Deployment, Interrupted, RollbackFailed, RolledBack
from local.sagemaker.endpoints.desired import rescaled, retaining
from local.sagemaker.endpoints.fleet import Blueprint, Fleet
from local.sagemaker.endpoints.hosted import Hosted
from local.sagemaker.endpoints.record import Record
from local.sagemaker.endpoints.state import KIND, EndpointStatus
from local.sagemaker.endpoints.variant import DRAIN_SECONDS, STOP_SECONDS, join, stopped
from local.sagemaker.machine.machine import Machine
from local.sagemaker.resources.endpoint_configs import ENDPOINT_CONFIG
from local.sagemaker.wire.errors import ApiError, WorkFailed
from local.store import StoreClosed

logger = logging.getLogger(__name__)


class Endpoints:
    """Every endpoint of this cloud."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.capture = Capture(machine)
        """What invocations leave of themselves."""
        self._hosted: dict[str, Hosted] = {}
        self._draining: list[Fleet] = []
        self._working: Counter[str] = Counter()
        self._changed = threading.Condition()
        self._closing = threading.Event()
        # What `stop_all` leaves to `join`.
        self._stops: list[threading.Thread] = []
        self._stopped_queues: list[AsyncQueue] = []

    # What others ask.

    def deploy(self, name: str) -> None:
        """Brings the endpoint to its document's `_Pending`; its status says Creating or Updating."""
        self._in_thread(name, lambda: self._deploy(name))

    def rescale(self, name: str) -> None:
        """Brings the endpoint to its document's `_Scaling`; its status says Updating."""
        self._in_thread(name, lambda: self._rescale(name))

    def remove(self, name: str) -> None:
        self._in_thread(name, lambda: self._remove(name))

    def live(self, name: str, seconds: float) -> Hosted | None:
        """Returns what serves the endpoint now, waited for where it is being brought back after a restart."""
        hosted = self._hosted.get(name)
        if hosted is not None and hosted.traffic.fleets:
            return hosted
        with self._changed:
            self._changed.wait_for(
                lambda: self._serves(name) or not self._working[name] or self._closing.is_set(), seconds
            )
            return self._hosted.get(name) if self._serves(name) else None

    def _serves(self, name: str) -> bool:
        hosted = self._hosted.get(name)
        return hosted is not None and bool(hosted.traffic.fleets)

    def queue(self, name: str) -> AsyncQueue | None:
        with self._changed:
            hosted = self._hosted.get(name)
            return None if hosted is None else hosted.queue

    def restore(self) -> None:
        """Brings everything that was in service back after a restart of the local cloud."""
        for document in self.machine.store.find(KIND):
            name = document["EndpointName"]
            match EndpointStatus(document["EndpointStatus"]):
                case EndpointStatus.DELETING:
                    self.remove(name)
                case EndpointStatus.CREATING:
                    self.deploy(name)
                case EndpointStatus.FAILED | EndpointStatus.UPDATE_ROLLBACK_FAILED:
                    continue
                case _:
                    self._in_thread(name, partial(self._bring_back, name, document))

    def stop_all(self) -> None:
        """Begins to stop everything, also what is being started or drained; `join` waits for it."""
        with self._changed:
            self._closing.set()
            every, self._hosted = list(self._hosted.values()), {}
            fleets = list(self._draining)
            self._changed.notify_all()
        for hosted in every:
            if hosted.deployment is not None:
                hosted.deployment.interrupt()
                fleets.append(hosted.deployment.green)
            if hosted.fleet is not None:
                fleets.append(hosted.fleet)
        # Before their containers go: what fails from here on is not the request's fault.
        self._stopped_queues = [hosted.queue for hosted in every if hosted.queue is not None]
        for queue in self._stopped_queues:
            queue.stop()
        for fleet in fleets:
            fleet.halt()
        self._stops = stopped({id(each): each for fleet in fleets for each in fleet.instances()}.values(), 0)

    def join(self, deadline: float) -> None:
        """Waits until all that is gone, or it is `deadline` (time.monotonic)."""
        join(self._stops, deadline - time.monotonic())
        for queue in self._stopped_queues:
            queue.join(deadline)
        with self._changed:
            self._changed.wait_for(lambda: not any(self._working.values()), max(0.0, deadline - time.monotonic()))

    # The work, each in a thread of its own.

    def _in_thread(self, name: str, work: Callable[[], None]) -> None:
        with self._changed:
            self._working[name] += 1

        def run() -> None:
            try:
                work()
            except (Interrupted, StoreClosed):
                # Left as it is stored; the next start goes on with it.
                return
            except Exception as error:
                if self._closing.is_set():
                    return
                logger.exception("endpoint %s", name)
                Record(self.machine, name).failed(f"InternalServerError: {type(error).__name__}: {error}")
            finally:
                self._worked(name)

        threading.Thread(target=run, name=f"endpoint-{name}", daemon=True).start()

    def _worked(self, name: str) -> None:
        with self._changed:
            self._working[name] -= 1
            self._working += Counter()
            self._changed.notify_all()

    def _of(self, name: str) -> Hosted:
        """Raises Interrupted when the local cloud is being stopped."""
        with self._changed:
            if self._closing.is_set():
                raise Interrupted
            return self._hosted.setdefault(name, Hosted(self.machine, name))

    def _deploy(self, name: str) -> None:
        hosted = self._of(name)
        with hosted.changing:
            document = self.machine.store.get(KIND, name)
            if document is None or "_Pending" not in document:
                return
            pending = document["_Pending"]
            try:
                green, plan = self._planned(hosted, pending)
                self._run(hosted, plan, green)
            except (WorkFailed, ApiError, RolledBack) as error:
                self._came_to_nothing(hosted, str(error))
                return
            except RollbackFailed as error:
                self._came_to_nothing(hosted, str(error), EndpointStatus.UPDATE_ROLLBACK_FAILED)
                return
            blue, hosted.fleet, hosted.deployment = hosted.fleet, green, None
            if blue is not None:
                self._drains(blue)
            hosted.record.in_service(green, pending.get("DeploymentConfig"))
        if blue is not None:
            self._end(blue)

    def _planned(self, hosted: Hosted, pending: Document) -> tuple[Fleet, rollout.Plan]:
        """Raises ApiError where the configuration, or a model of it, is not there."""
        config = ENDPOINT_CONFIG.find(self.machine, pending["EndpointConfigName"])
        if hosted.fleet is not None and pending.get("Retain") is not None:
            config = retaining(config, hosted.fleet.config, pending["Retain"])
        blueprint = Blueprint.of(self.machine, uuid.uuid4().hex[:12], config)
        green = self._fleet(hosted, blueprint)
        policy = pending.get("DeploymentConfig") if hosted.fleet is not None else None
        return green, rollout.plan(policy, [variant.desired for variant in green.variants])

    def _fleet(self, hosted: Hosted, blueprint: Blueprint) -> Fleet:
        def given_up(reason: str) -> None:
            self._given_up(hosted, blueprint.identity, reason)

        return Fleet(self.machine, hosted.name, blueprint, self._closing, given_up)

    def _run(self, hosted: Hosted, plan: rollout.Plan, green: Fleet) -> None:
        """Raises what a Deployment raises, with nothing left of a green fleet that does not serve."""
        change = Change(green, hosted.fleet, hosted.traffic, hosted.record)
        deployment = Deployment(self.machine, change, plan, self._closing, lambda: self._rerouted(hosted))
        with self._changed:
            hosted.deployment = deployment
            if self._closing.is_set():
                deployment.interrupt()
        try:
            deployment.run()
        except Interrupted:
            # Its folder stays: the next start makes the same fleet of it.
            self._drains(green)
            raise
        except (WorkFailed, RolledBack, RollbackFailed):
            self._drains(green)
            hosted.deployment = None
            # Requests that it still has are let end behind the endpoint's back.
            self._behind(hosted.name, lambda: self._end(green))
            raise

    def _behind(self, name: str, work: Callable[[], None]) -> None:
        """Does `work` in a thread that `join` waits for."""
        with self._changed:
            self._working[name] += 1

        def run() -> None:
            try:
                work()
            finally:
                self._worked(name)

        threading.Thread(target=run, name=f"endpoint-{name}-end", daemon=True).start()

    def _came_to_nothing(self, hosted: Hosted, reason: str, status: EndpointStatus = EndpointStatus.IN_SERVICE) -> None:
        if self._closing.is_set():
            raise Interrupted
        if hosted.fleet is None:
            hosted.record.failed(reason)
        elif status is EndpointStatus.IN_SERVICE:
            hosted.record.kept(hosted.fleet, reason)
        else:
            hosted.record.failed(reason, status)

    def _rerouted(self, hosted: Hosted) -> None:
        """Lets whoever waits for the endpoint go on, and sends its asynchronous requests where the others go."""
        with self._changed:
            if self._closing.is_set():
                raise Interrupted
            fleet = hosted.traffic.fleets[-1]
            config = fleet.asynchronous
            if config is None and hosted.queue is not None:
                hosted.queue.stop()
                hosted.queue = None
            elif config is not None:
                hosted.queue = hosted.queue or AsyncQueue(self.machine, hosted.name, hosted.traffic)
                hosted.queue.serve(config, sum(v.count for each in hosted.traffic.fleets for v in each.variants))
            self._changed.notify_all()

    def _bring_back(self, name: str, document: Document) -> None:
        hosted = self._of(name)
        with hosted.changing:
            snapshot = Blueprint.restored(document["_Snapshot"])
            if "_Scaling" in document:
                snapshot = replace(snapshot, config=rescaled(snapshot.config, document["_Scaling"]))
            fleet = self._fleet(hosted, snapshot)
            try:
                self._run(hosted, rollout.plan(None, []), fleet)
            except WorkFailed as error:
                self._came_to_nothing(hosted, str(error))
                return
            hosted.fleet, hosted.deployment = fleet, None
            if "_Pending" not in document:
                if document["EndpointStatus"] != EndpointStatus.IN_SERVICE or "PendingDeploymentSummary" in document:
                    hosted.record.in_service(fleet)
                return
        self._deploy(name)

    def _rescale(self, name: str) -> None:
        hosted = self._of(name)
        with hosted.changing:
            document, fleet = self.machine.store.get(KIND, name), hosted.fleet
            if document is None or fleet is None or "_Scaling" not in document:
                return
            before = {variant.name: variant.desired for variant in fleet.variants}
            try:
                self._scale(hosted, fleet, document["_Scaling"])
            except WorkFailed as error:
                for variant in fleet.variants:
                    variant.desired = before[variant.name]
                self._came_to_nothing(hosted, str(error))
                return
            fleet.blueprint = replace(fleet.blueprint, config=rescaled(fleet.config, document["_Scaling"]))
            fleet.config = fleet.blueprint.config
            hosted.record.in_service(fleet)

    def _scale(self, hosted: Hosted, fleet: Fleet, wanted: list[Document]) -> None:
        """Raises WorkFailed with as many instances as before."""
        for each in wanted:
            variant = fleet.variant(each["VariantName"])
            if variant is None:
                continue
            variant.desired = each.get("DesiredInstanceCount", variant.desired)
            variant.grow(variant.desired)
        for each in wanted:
            variant = fleet.variant(each["VariantName"])
            if variant is not None:
                variant.weight = each.get("DesiredWeight", variant.weight)
                fleet.reconfigure(variant, each.get("ServerlessUpdateConfig", {}))
        # The workers of what goes leave first, so that no request waits for an instance that is gone.
        counts = sum(variant.desired for variant in fleet.variants)
        if hosted.queue is not None and fleet.asynchronous is not None:
            hosted.queue.serve(fleet.asynchronous, counts)
        for variant in fleet.variants:
            if variant.serverless is None:
                variant.shrink(variant.desired, 0.0 if self._closing.is_set() else DRAIN_SECONDS)

    def _remove(self, name: str) -> None:
        hosted = self._of(name)
        with hosted.changing:
            with self._changed:
                self._hosted.pop(name, None)
                queue, hosted.queue = hosted.queue, None
            hosted.traffic.share()
            if queue is not None:
                queue.stop()
            AsyncQueue.forget(self.machine, name)
            if hosted.fleet is not None:
                self._drains(hosted.fleet)
                self._end(hosted.fleet)
        if self._closing.is_set():
            raise Interrupted
        shutil.rmtree(self.machine.settings.endpoints_dir / name, ignore_errors=True)
        hosted.record.deleted()

    def _drains(self, fleet: Fleet) -> None:
        """Notes the fleet where `stop_all` finds it from here on."""
        with self._changed:
            self._draining.append(fleet)
            closing = self._closing.is_set()
        if closing:
            join(stopped(fleet.instances(), 0), STOP_SECONDS)

    def _end(self, fleet: Fleet) -> None:
        """Stops the fleet when its requests have ended, at once at the local cloud's stop. It gets nothing new."""
        fleet.end()
        with self._changed:
            self._draining = [other for other in self._draining if other is not fleet]
        shutil.rmtree(fleet.folder, ignore_errors=True)

    def _given_up(self, hosted: Hosted, identity: str, reason: str) -> None:
        """Tells that a process of a fleet died for good, unless that fleet does not serve any more."""
        if self._closing.is_set():
            return
        deployment = hosted.deployment
        if deployment is not None and deployment.green.blueprint.identity == identity:
            deployment.interrupt(reason)
            return
        current = hosted.fleet
        if current is not None and current.blueprint.identity == identity and self._hosted.get(hosted.name) is hosted:
            with contextlib.suppress(StoreClosed):
                hosted.record.failed(reason)
