"""A SageMaker over a fake cloud, with containers that a test writes itself."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.sagemaker.machine.settings import Hosting, Settings
from local.sagemaker.service import SageMaker
from tests.unit.local.sagemaker.clocks import LeapingClock
from tests.unit.local.sagemaker.cloud import WAIT_SECONDS, FakeCloud, connect, container


class World:
    """One state folder; a SageMaker that can be stopped and started again over it."""

    def __init__(self, root: Path, cache: Path) -> None:
        self.root = root
        self.cache = cache
        self.cloud = FakeCloud()
        self.images: dict[str, Path] = {}
        self.isolation = "auto"
        self.startup_seconds = WAIT_SECONDS
        self.grace_seconds = 1.0
        self.sync_seconds = 2.0
        self.volume_bytes = 1 << 40
        self.hosting = Hosting(clock=LeapingClock(pace=0.001))
        self.service: SageMaker | None = None
        self._clients: dict[str, Any] = {}

    def image(self, name: str, **commands: str) -> None:
        """Define the image `headrace/<name>` by its commands."""
        self.images[f"headrace/{name}"] = container(self.root / "images" / name, **commands)

    def start(self) -> SageMaker:
        settings = Settings(
            state_dir=self.root / "state",
            cache_dir=self.cache,
            images=self.images,
            steps_file=self.root / "steps.yaml",
            isolation=self.isolation,
            grace_seconds=self.grace_seconds,
            startup_seconds=self.startup_seconds,
            sync_seconds=self.sync_seconds,
            volume_bytes=self.volume_bytes,
            hosting=self.hosting,
        )
        self.service = SageMaker(self.cloud, settings)
        self._clients.clear()
        self.service.start()
        return self.service

    def stop(self) -> None:
        if self.service is not None:
            self.service.stop()
            self.service = None

    @property
    def client(self) -> Any:
        return self._connected("sagemaker")

    @property
    def runtime(self) -> Any:
        return self._connected("sagemaker-runtime")

    def _connected(self, name: str) -> Any:
        service = self.service or self.start()
        if name not in self._clients:
            self._clients[name] = connect(service, name)
        return self._clients[name]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment of the empty requirements is built once for all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def world(tmp_path: Path, cache: Path) -> Iterator[World]:
    world = World(tmp_path, cache)
    yield world
    world.stop()
