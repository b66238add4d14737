"""Definitions made once for all workers of a session: the SDK takes two seconds to import, whoever needs it."""

import fcntl
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipelines.catalogue import Algorithm, load_catalogue
from pipelines.definition.cache import definitions
from pipelines.definition.request import Request
from pipelines.environment import Environment
from pipelines.progress import silent
from pipelines.staging.stage import stage
from tests.unit.pipelines.catalogues import FRAMEWORK, OWN, UNTRAINED, write_catalogue
from tests.unit.pipelines.deployment import ENVIRONMENT

CHINA = Environment(stage="prod", account="123456789012", region="cn-north-1")
CATALOGUE = Path(__file__).resolve().parents[1] / "algorithms"
SIZED = {**OWN, "training": {"volume_gb": 11}}
NAMED = {**OWN, "image": {"ssm": "/images/own"}}
IMAGES = {"/images/own": "example.test/own:1"}


def fill(cache: Path) -> None:
    """Makes what is asked for in several files into a cache, once: other processes wait until it is there."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock, tempfile.TemporaryDirectory() as temporary:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (cache / "definitions").exists():
            definitions(list(_requests(Path(temporary))), cache / "definitions", silent)


def _requests(folder: Path) -> Iterable[Request]:
    yield from _staged(load_catalogue(CATALOGUE).checked(), Environment(), folder)
    small = load_catalogue(write_catalogue(folder / "small", OWN, FRAMEWORK, UNTRAINED)).checked()
    for environment in (Environment(), ENVIRONMENT, CHINA):
        yield from _staged(small, environment, folder)
    for name, spec in (("sized", SIZED), ("named", NAMED)):
        yield from _staged(load_catalogue(write_catalogue(folder / name, spec)).checked(), Environment(), folder)


def _staged(algorithms: Sequence[Algorithm], environment: Environment, folder: Path) -> Iterable[Request]:
    for algorithm in algorithms:
        if algorithm.spec.chain is None:
            yield stage(algorithm, environment, IMAGES, folder / "git").request
