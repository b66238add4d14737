"""Compiled pipelines -> AWS: sources, pipelines, the algorithms table, schedules, SSM parameters, deployments.

A plan is made first, with everything packed that is uploaded, and then applied: a mistake is found before anything is
changed, and what is in line already is left. What was interrupted goes on where it stopped when it is planned again.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pipelines.catalogue import Algorithm
from pipelines.problems import PublishError
from pipelines.product import CompiledPipeline
from pipelines.progress import Progress
from pipelines.publishing import algorithms, deployments, parameters, pipelines, schedules, sources
from pipelines.publishing.apply import apply
from pipelines.publishing.changes import Plan, Step
from pipelines.publishing.publication import CATALOGUE, Publication, Scope, reading
from pipelines.publishing.removal import removals
from pipelines.publishing.standing import Standing, read
from pipelines.staging.images import image_parameters
from pipelines.staging.uploads import Upload

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient


def publish(
    compiled: Sequence[CompiledPipeline], publication: Publication, progress: Progress, scope: Scope = CATALOGUE
) -> Plan:
    """Brings AWS in line with compiled pipelines; returns what was done. Raises PublishError at the first refusal."""
    with TemporaryDirectory(prefix="headrace-publish-") as folder:
        plan = plan_catalogue(compiled, publication, Path(folder), progress, scope)
        apply(plan, progress)
    return plan


def plan_catalogue(
    compiled: Sequence[CompiledPipeline],
    publication: Publication,
    folder: Path,
    progress: Progress,
    scope: Scope = CATALOGUE,
) -> Plan:
    """Plans what is to be done; changes nothing. What is uploaded is kept in `folder`, until the plan is applied."""
    with reading(publication.environment):
        standing = read(publication, compiled, scope)
        plan = Plan()
        uploads = _uploads(compiled, scope)
        missing = sources.missing(uploads, standing.objects)
        if scope.sources:
            if missing:
                progress(f"packing {len(missing)} sources")
            plan += sources.planned(publication, uploads, standing.objects, folder, lenient=scope.lenient)
        elif missing:
            raise PublishError(f"{missing[0]}: not uploaded yet, and {len(missing) - 1} more; publish the sources, too")
        if scope.pipelines:
            plan += Plan.of(_pipelines(publication, compiled, standing))
            plan += removals(publication, compiled, standing, whole=scope.whole)
    return plan


def read_image_values(catalogue: Sequence[Algorithm], ssm: "SSMClient") -> dict[str, str]:
    """Returns the values of the SSM parameters that images name; names without a value are left out."""
    return parameters.values(
        ssm, list(dict.fromkeys(name for algorithm in catalogue for name in image_parameters(algorithm)))
    )


def _uploads(compiled: Sequence[CompiledPipeline], scope: Scope) -> list[Upload]:
    """Returns what is to be there. What nobody runs there is not fetched for it."""
    return [
        upload
        for pipeline in compiled
        for upload in pipeline.uploads
        if upload.origin is None or pipeline.name not in scope.idle
    ]


def _pipelines(publication: Publication, compiled: Sequence[CompiledPipeline], standing: Standing) -> Iterator[Step]:
    yield from pipelines.steps(publication, compiled, standing.pipelines, algorithms.tags(standing.rows))
    yield from algorithms.steps(publication, compiled, standing.rows)
    yield from schedules.steps(publication, compiled, standing.schedules)
    yield from parameters.steps(publication, compiled, standing.parameters)
    yield from deployments.steps(publication, standing.attempts)
