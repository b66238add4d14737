"""Compiled pipelines -> AWS: sources, pipelines, the algorithms table, schedules, SSM parameters, deployments.

A plan is made first, with everything packed that is uploaded, and then applied: a mistake is found before anything is
changed, and what is in line already is left. What was interrupted goes on where it stopped when it is planned again.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from pipelines.catalogue import Algorithm
from pipelines.compile import Progress
from pipelines.compiled import CompiledPipeline
from pipelines.problems import PublishError
from pipelines.publishing import algorithms, deployments, parameters, pipelines, schedules, sources
from pipelines.publishing.changes import Action, Change, Kind, Plan, Step
from pipelines.publishing.publication import CATALOGUE, Clients, Publication, Scope, reading, refusal
from pipelines.publishing.removal import removals
from pipelines.publishing.standing import Standing, read
from pipelines.staging.sources import Upload
from pipelines.staging.stage import image_parameters

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

__all__ = [
    "Action",
    "Change",
    "Clients",
    "Kind",
    "Plan",
    "Publication",
    "Scope",
    "apply",
    "plan_catalogue",
    "publish",
    "read_image_values",
    "reading",
]

_UPLOADERS: Final = 8


def publish(
    compiled: Sequence[CompiledPipeline], publication: Publication, progress: Progress, scope: Scope = CATALOGUE
) -> Plan:
    """Bring AWS in line with compiled pipelines; returns what was done. Raises PublishError at the first refusal."""
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
    """What would be done; changes nothing. What is uploaded is kept in `folder`, until the plan is applied."""
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


def apply(plan: Plan, progress: Progress) -> None:
    """Make a plan true, step by step. Raises PublishError with the refusal and what was done before it."""
    done: list[Change] = []
    sizes = [change.size or 0 for change in plan.changed if change.kind is Kind.SOURCE]
    if sizes:
        progress(f"uploading {len(sizes)} sources, {sum(sizes):,} bytes")
    try:
        for step in _applied(plan.pending):
            done.append(step.change)
            progress(f"{step.change.kind} {step.change.name} {step.change.action.done}")
    except PublishError as error:
        raise PublishError(f"{error} ({_so_far(done)}; publish again to go on)") from error
    except KeyboardInterrupt:
        progress(f"stopped: {_so_far(done)} of {len(plan.pending)} changes; publish again to go on")
        raise


def read_image_values(catalogue: Sequence[Algorithm], ssm: "SSMClient") -> dict[str, str]:
    """The values of the SSM parameters that images name; names without a value are left out."""
    return parameters.values(
        ssm, list(dict.fromkeys(name for algorithm in catalogue for name in image_parameters(algorithm)))
    )


def _uploads(compiled: Sequence[CompiledPipeline], scope: Scope) -> list[Upload]:
    """What is to be there. What nobody runs there is not fetched for it."""
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


def _applied(steps: Iterable[Step]) -> Iterator[Step]:
    """Apply steps, and yield each when it is done: uploads, which refer to nothing, side by side; the rest in order."""
    uploads = [step for step in steps if step.change.kind is Kind.SOURCE]
    with ThreadPoolExecutor(_UPLOADERS) as pool:
        futures = {pool.submit(_apply, step): step for step in uploads}
        try:
            for future in as_completed(futures):
                future.result()
                yield futures[future]
        finally:
            # After a refusal or Ctrl-C nothing new is started, and what is on its way is waited for.
            pool.shutdown(cancel_futures=True)
    for step in steps:
        if step.change.kind is not Kind.SOURCE:
            _apply(step)
            yield step


def _apply(step: Step) -> None:
    try:
        step.apply()
    except (ClientError, BotoCoreError) as error:
        raise PublishError(f"{refusal(error)}: at {step.change.kind} {step.change.name}") from error


def _so_far(done: Sequence[Change]) -> str:
    """What was done: `3 sources created, 1 pipeline updated`."""
    counts = Counter((change.kind, change.action) for change in done)
    said = [f"{count} {kind}{'' if count == 1 else 's'} {action.done}" for (kind, action), count in counts.items()]
    return f"done before: {', '.join(said) or 'nothing'}"
