"""A local cloud with this project in it: boot, build the environments, publish the catalogue, say ready."""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from cli.api.client import Api
from cli.api.following import follow
from cli.deployment.catalogue import publish_catalogue
from cli.project.catalogue import catalogue_of
from cli.project.checkout import Project
from local.cloud import LocalCloud
from local.settings import ACCOUNT, REGION, LocalSettings
from pipelines.environment import Environment
from pipelines.product import CompiledPipeline
from pipelines.progress import Progress
from pipelines.publishing.changes import Plan
from pipelines.spec import Build
from pipelines.staging.images import image_folders

_DEPLOYMENT_SECONDS = 300.0


def settings_for(project: Project, *, port: int, state_dir: Path | None = None, fresh: bool = False) -> LocalSettings:
    """Returns the local cloud's settings for a project; `state_dir` defaults to the project's `.headrace/state`."""
    return LocalSettings(
        template=project.template,
        state_dir=(state_dir or project.state_dir / "state").absolute(),
        cache_dir=project.cache_dir,
        port=port,
        fresh=fresh,
        images=image_folders(catalogue_of(project)),
        # Loopback is the only way in: nobody has to sign requests to their own laptop.
        parameters={"ApiAuthorization": "NONE", "ApiBaseUrl": f"http://127.0.0.1:{port}"},
    )


def local_environment(settings: LocalSettings) -> Environment:
    """Returns the names and ARNs of a local cloud."""
    return Environment(stage=settings.stage, account=ACCOUNT, region=REGION)


@contextmanager
def local_session(project: Project, settings: LocalSettings, progress: Progress) -> Iterator[LocalCloud]:
    """Runs a local cloud until it is ready: stack up, environments built, catalogue published, endpoints in service."""
    with LocalCloud(settings, progress) as cloud:
        environment = local_environment(settings)
        progress("publishing the catalogue")
        compiled, report = publish_catalogue(project, environment, cloud.client, progress, local=True)
        progress(f"{len(compiled)} algorithms, {len(report.changed)} changes")
        _build_environments(cloud, [item for item in compiled if _is_built_ahead(item)], progress)
        _await_deployments(cloud, _awaited(report), progress)
        cloud.ready()
        yield cloud


def _is_built_ahead(item: CompiledPipeline) -> bool:
    """Tells whether its environments are there before the first job; others are large, or are of no use here."""
    local = json.loads(item.published)["local"]
    return bool(local["runs"]) and local["build"] == Build.AHEAD


def _build_environments(cloud: LocalCloud, compiled: Sequence[CompiledPipeline], progress: Progress) -> None:
    """Builds what the pipelines' images stand for ahead of the first job; a broken one fails its own jobs only."""
    named = [dict(item.parameters) for item in compiled]
    images = sorted({uri for names in named for leaf, uri in names.items() if leaf.endswith("_image")})

    def building(line: str) -> None:
        # The installer's own lines go into the error of a build that fails.
        if line.startswith(("building ", "built ")):
            progress(line)

    with ThreadPoolExecutor(2) as pool:
        futures = {image: pool.submit(cloud.sagemaker.warm, image, building) for image in images}
    for image, future in futures.items():
        if (error := future.exception()) is not None:
            progress(f"{image}: {error}")


def _awaited(report: Plan) -> list[str]:
    """Returns the jobs of the deployments that have not ended yet; those of earlier boots mostly have."""
    return [change.job_id for change in report.changes if change.job_id and not change.ended]


def _await_deployments(cloud: LocalCloud, job_ids: Sequence[str], progress: Progress) -> None:
    """Waits for the endpoints that stand without training; one that fails is told and does not stop the others."""
    api = Api.at(cloud.settings.endpoint)
    for job_id in job_ids:
        for job in follow(api, lambda job_id=job_id: api.find(job_id), _DEPLOYMENT_SECONDS):  # type: ignore[misc]
            last = job
        reason = f": {last['error']['message']}" if last["error"] else ""
        progress(f"{last['algorithm']}: {last['links'].get('endpoint') or 'no endpoint'} {last['status']}{reason}")
