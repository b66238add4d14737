"""One endpoint configuration as it runs: its variants and their instances."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

from local.documents import Document, Json
from local.sagemaker.endpoints import rollout
from local.sagemaker.endpoints.instance import Instance
from local.sagemaker.endpoints.multimodel import ManyModels
from local.sagemaker.endpoints.serverless import OnDemand
from local.sagemaker.endpoints.variant import DRAIN_SECONDS, Variant
from local.sagemaker.machine.machine import Machine
from local.sagemaker.resources import models
from local.sagemaker.resources.models import Model, Served
from local.sagemaker.serving.image import prepare
from local.sagemaker.serving.server import Purpose, Server

logger = logging.getLogger(__name__)

LOG_GROUP = "/aws/sagemaker/Endpoints"


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What a fleet is made of; kept in the endpoint's document, so that a restart makes the same one."""

    identity: str
    """The name of its folder."""
    config: Document
    models: Mapping[str, Model]

    @classmethod
    def of(cls, machine: Machine, identity: str, config: Document) -> "Blueprint":
        """Takes the models as they are now. Raises ValidationException for one that is not there."""
        names = {variant["ModelName"] for variant in every_variant(config)}
        return cls(identity, config, {name: models.resolved(machine, name) for name in names})

    def stored(self) -> Document:
        return {
            "Identity": self.identity,
            "Config": self.config,
            "Models": {name: asdict(model) for name, model in self.models.items()},
        }

    @classmethod
    def restored(cls, document: Mapping[str, Json]) -> "Blueprint":
        return cls(
            document["Identity"],
            document["Config"],
            {name: _model(stored) for name, stored in document["Models"].items()},
        )


def _model(stored: Mapping[str, Json]) -> Model:
    return Model(
        tuple(
            Served(**{**members, "channels": tuple((name, uri) for name, uri in members["channels"])})
            for members in stored["containers"]
        ),
        stored["direct"],
    )


def every_variant(config: Mapping[str, Json]) -> list[Document]:
    return [*config["ProductionVariants"], *config.get("ShadowProductionVariants", ())]


class Fleet:
    """`grow` and `shrink` are for the thread that deploys; the rest may be called from any."""

    def __init__(
        self,
        machine: Machine,
        name: str,
        blueprint: Blueprint,
        closing: threading.Event,
        on_given_up: Callable[[str], None],
    ) -> None:
        self.blueprint = blueprint
        self.config = blueprint.config
        self._machine = machine
        self._name = name
        self._closing = closing
        self._on_given_up = on_given_up
        self.variants = tuple(self._variant(config) for config in self.config["ProductionVariants"])
        self.shadows = tuple(self._variant(config) for config in self.config.get("ShadowProductionVariants", ()))
        self._on_demand = {
            variant.name: OnDemand(machine, variant, closing) for variant in self.variants if variant.serverless
        }

    @property
    def folder(self) -> Path:
        return self._machine.settings.endpoints_dir / self._name / self.blueprint.identity

    @property
    def asynchronous(self) -> Document | None:
        config: Document | None = self.config.get("AsyncInferenceConfig")
        return config

    def variant(self, name: str) -> Variant | None:
        return next((variant for variant in self.variants if variant.name == name), None)

    def reserve(self, variant: Variant, wanted: Instance | None = None) -> Instance | None:
        """Returns a place for one request; a serverless variant is started for it. Raises Throttled, WorkFailed."""
        on_demand = self._on_demand.get(variant.name)
        return variant.reserve(wanted) if on_demand is None else on_demand.reserve()

    def release(self, variant: Variant, instance: Instance) -> None:
        instance.release()
        on_demand = self._on_demand.get(variant.name)
        if on_demand is not None:
            on_demand.released()

    def reconfigure(self, variant: Variant, change: Mapping[str, int]) -> None:
        """Carries out a ServerlessUpdateConfig."""
        on_demand = self._on_demand.get(variant.name)
        if on_demand is not None and variant.serverless is not None:
            variant.serverless = {**variant.serverless, **change}
            on_demand.change(variant.serverless)

    def instances(self) -> Iterator[Instance]:
        for variant in (*self.variants, *self.shadows):
            yield from variant.instances

    def grow(self, capacity: Fraction) -> None:
        """Brings that part of the desired instances to be healthy. Raises WorkFailed."""
        for variant in (*self.variants, *self.shadows):
            variant.grow(rollout.instances(capacity, variant.desired))
        for on_demand in self._on_demand.values():
            on_demand.rest()

    def shrink(self, capacity: Fraction) -> None:
        """Keeps no more than that part of the desired instances."""
        seconds = 0.0 if self._closing.is_set() else DRAIN_SECONDS
        threads = [
            threading.Thread(target=variant.shrink, args=(rollout.instances(capacity, variant.desired), seconds))
            for variant in (*self.variants, *self.shadows)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def halt(self) -> None:
        """Starts nothing more for requests."""
        for on_demand in self._on_demand.values():
            on_demand.end()

    def end(self) -> None:
        """Lets its requests end and stops every instance."""
        self.halt()
        for on_demand in self._on_demand.values():
            on_demand.join()
        self.shrink(Fraction(0))

    def _variant(self, config: Document) -> Variant:
        return Variant(config, partial(self._instance, config))

    def _instance(self, config: Document, index: int) -> Instance:
        """Raises WorkFailed where a container cannot be laid out."""
        variant, model = config["VariantName"], self.blueprint.models[config["ModelName"]]
        folder = self.folder / variant
        several = len(model.containers) > 1
        servers: dict[str, Server] = {}
        many = None
        for served in model.containers:
            place = folder / served.hostname if several else folder
            suffix = f"/{served.hostname}" if several else ""
            servers[served.hostname] = self._server(config, served, place, f"{index}{suffix}")
            if served.multi_model:
                many = ManyModels(self._machine, served, place)
        return Instance(servers, model.direct, many)

    def _server(self, config: Document, served: Served, place: Path, suffix: str) -> Server:
        prepared = prepare(self._machine, served, place, lambda line: logger.info("%s: %s", self._name, line))
        variant = config["VariantName"]
        seconds = config.get("ContainerStartupHealthCheckTimeoutInSeconds", self._machine.settings.startup_seconds)
        purpose = Purpose(
            f"{served.hostname} container for production variant {variant}",
            f"{LOG_GROUP}/{self._name}",
            f"{variant}/{self.blueprint.identity}-{suffix}",
            float(seconds),
        )
        return Server(self._machine, prepared, purpose, self._closing, self._on_given_up)
