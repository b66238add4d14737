"""What stands in a deployment now: every read that a plan needs, side by side, and nothing that changes anything."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

from pipelines.documents import Json
from pipelines.product import CompiledPipeline
from pipelines.publishing import algorithms, deployments, parameters, pipelines, schedules, sources
from pipelines.publishing.pipelines import Described
from pipelines.publishing.publication import Publication, Scope

_READERS: Final = 8
"""Calls at once: a client keeps ten connections."""

K = TypeVar("K")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Standing:
    """A deployment as it was read."""

    objects: frozenset[str]
    """Keys under the content addresses of the compiled sources."""
    rows: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    pipeline_names: frozenset[str] = frozenset()
    pipelines: Mapping[str, Described] = field(default_factory=dict)
    """Those that are wanted."""
    schedule_names: frozenset[str] = frozenset()
    schedules: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    """Those that are wanted."""
    attempts: Mapping[str, tuple[str, str | None]] = field(default_factory=dict)
    """The deployments that are wanted: algorithm -> job id and its status."""

    @property
    def known(self) -> frozenset[str]:
        """The algorithms that were published: a removal that was cut short has left parameters without a row."""
        return frozenset(self.rows) | frozenset(self.parameters)


def read(publication: Publication, compiled: Sequence[CompiledPipeline], scope: Scope) -> Standing:
    """Reads everything that the scope needs. Raises ClientError."""
    uploads = [upload for pipeline in compiled for upload in pipeline.uploads]
    with ThreadPoolExecutor(_READERS) as pool:
        listings = pool.map(partial(sources.listed, publication), sources.prefixes(uploads))
        if not scope.pipelines:
            return Standing(_union(listings))
        rows = pool.submit(algorithms.current, publication)
        written = pool.submit(parameters.current, publication)
        pipeline_names = pool.submit(pipelines.listed, publication)
        schedule_names = pool.submit(schedules.listed, publication)
        jobs = {item.name: item.deployment_job_id for item in compiled if item.name not in scope.idle}
        attempts = _each(
            pool, partial(deployments.last_attempt, publication), {name: job for name, job in jobs.items() if job}
        )
        wanted = {item.pipeline_name for item in compiled} & pipeline_names.result()
        described = _each(pool, partial(pipelines.described, publication), {name: name for name in wanted if name})
        named = {schedules.schedule_name(publication.environment, item.name) for item in compiled}
        planned = _each(
            pool, partial(schedules.described, publication), {name: name for name in named & schedule_names.result()}
        )
        return Standing(
            objects=_union(listings),
            rows=rows.result(),
            parameters=written.result(),
            pipeline_names=pipeline_names.result(),
            pipelines=dict(described),
            schedule_names=schedule_names.result(),
            schedules=dict(planned),
            attempts=dict(attempts),
        )


def _each(
    pool: ThreadPoolExecutor, call: Callable[[str], T | None], arguments: Mapping[K, str]
) -> Iterator[tuple[K, T]]:
    """Starts a call for each argument; yields what is not None, by the argument's key."""
    results = pool.map(call, arguments.values())
    return ((key, result) for key, result in zip(arguments, results, strict=True) if result is not None)


def _union(listings: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset[str]().union(*listings)
