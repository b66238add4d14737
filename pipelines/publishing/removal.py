"""What publishing made for algorithms that are no longer in the catalogue, or that they no longer need, and its end.

What people made with it stays: endpoints, model packages, uploaded objects, jobs.
"""

from collections.abc import Collection, Sequence

from pipelines.product import CompiledPipeline
from pipelines.publishing import algorithms, parameters, pipelines, schedules
from pipelines.publishing.changes import Plan, Step
from pipelines.publishing.publication import Publication
from pipelines.publishing.standing import Standing


def removals(
    publication: Publication, compiled: Sequence[CompiledPipeline], standing: Standing, *, whole: bool
) -> Plan:
    """Plans what is removed. Unless the pipelines are the `whole` catalogue, only they can lose anything."""
    environment = publication.environment
    present = {item.name for item in compiled}
    absent = standing.known - present if whole else frozenset[str]()
    busy = {name for name in absent if _is_busy(publication, standing, environment.resource_name(name))}
    gone = sorted(absent - busy)
    unpiped = [item.name for item in compiled if item.pipeline_name is None]
    unneeded = {environment.resource_name(name) for name in [*gone, *unpiped]}
    steps: list[Step] = [
        *schedules.removals(publication, _unneeded_schedules(publication, compiled, standing, busy, whole=whole)),
        *algorithms.removals(publication, [name for name in gone if name in standing.rows]),
        *pipelines.removals(publication, sorted(unneeded & standing.pipeline_names)),
    ]
    for name in gone:
        steps += parameters.removals(publication, name, sorted(standing.parameters.get(name, {})))
    return Plan.of(
        steps,
        [
            *(f"{name}: its endpoint, model packages, jobs and uploaded objects stay" for name in gone),
            *(
                f"{name}: not removed while its pipeline is running; publish again when it has ended"
                for name in sorted(busy)
            ),
        ],
    )


def _is_busy(publication: Publication, standing: Standing, pipeline: str) -> bool:
    """Tells whether an execution is under way: its last steps still read the row."""
    return pipeline in standing.pipeline_names and pipelines.is_running(publication, pipeline)


def _unneeded_schedules(
    publication: Publication,
    compiled: Sequence[CompiledPipeline],
    standing: Standing,
    busy: Collection[str],
    *,
    whole: bool,
) -> list[str]:
    def named(names: Collection[str]) -> set[str]:
        return {schedules.schedule_name(publication.environment, name) for name in names}

    kept = named([item.name for item in compiled if item.retrain_schedule is not None]) | named(busy)
    looked_at = standing.schedule_names if whole else standing.schedule_names & named([item.name for item in compiled])
    return sorted(looked_at - kept)
