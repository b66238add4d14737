"""`headrace up`: the local cloud in the foreground, with this project's stack and catalogue in it."""

import contextlib
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.project.checkout import find_project
from cli.terminal.options import AsJson, Isolation, Port
from cli.terminal.output import err, out, print_json, say

if TYPE_CHECKING:
    from local.cloud import LocalCloud
    from local.walls.boundary import Boundary

StateDir = Annotated[Path | None, typer.Option(help="Where the cloud keeps its state; .headrace/state in the project.")]
HowIsolated = Annotated[
    Isolation,
    typer.Option(help="How jobs and endpoints see /opt/ml. docker: this machine's engine runs their images."),
]
AllowHost = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Another name that the port answers to, or *.NAME; may be repeated."),
]
CorsOrigin = Annotated[
    list[str] | None,
    typer.Option(metavar="ORIGIN", help="Pages of this origin may call /v1 and upload, of no other; may be repeated."),
]
JobMemory = Annotated[
    int | None, typer.Option(metavar="MB", min=16, help="What one job, endpoint or function may take of memory.")
]
JobProcesses = Annotated[
    int | None, typer.Option(metavar="N", min=8, help="How many processes and threads it may have.")
]
JobProcessors = Annotated[
    float | None, typer.Option(metavar="N", min=0.1, help="How many processors it may keep busy: 1.5.")
]


def up(
    port: Port = 4566,
    state_dir: StateDir = None,
    isolation: HowIsolated = Isolation.AUTO,
    allow_host: AllowHost = None,
    cors_origin: CorsOrigin = None,
    job_memory: JobMemory = None,
    job_processes: JobProcesses = None,
    job_processors: JobProcessors = None,
    as_json: AsJson = False,
) -> None:
    """Boot the local cloud from template.yaml and serve until Ctrl-C."""
    # The local cloud takes half a second to import: other commands do without.
    from cli.deployment.local import local_session, settings_for
    from local.walls.groups import Bounds

    project = find_project()
    settings = replace(
        settings_for(project, port=port, state_dir=state_dir),
        isolation=isolation.value,
        allow_hosts=tuple(allow_host or ()),
        bounds=Bounds(None if job_memory is None else job_memory << 20, job_processes, job_processors),
    )
    if cors_origin:
        settings = replace(settings, parameters={**settings.parameters, "CorsOrigins": ",".join(cors_origin)})
    with local_session(project, settings, say) as cloud:
        if as_json:
            print_json(cloud.health())
        else:
            _print_ready(cloud)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


def _print_ready(cloud: "LocalCloud") -> None:
    settings, health = cloud.settings, cloud.health()
    out.print(f"[bold green]ready[/bold green] at {settings.endpoint}")
    out.print(
        "  export " + " ".join(f"{name}={value}" for name, value in settings.exports.items()),
        markup=False,
    )
    out.print(f"  uploads    s3://{health['uploads_bucket']}", markup=False)
    out.print(f"  artifacts  s3://{health['artifacts_bucket']}", markup=False)
    out.print(f"  jobs       {settings.endpoint}/v1/jobs", markup=False)
    out.print(f"  /opt/ml    {_isolation(cloud.sagemaker.isolation)}", markup=False)
    for line in _walls(cloud):
        out.print(line, markup=False)
    err.print("[dim]Ctrl-C stops it; what it holds is kept in[/dim]", end=" ")
    err.print(str(settings.state_dir), markup=False)


def _walls(cloud: "LocalCloud") -> list[str]:
    """Says which walls stand around jobs, and around functions where those are others."""
    jobs, functions = cloud.sagemaker.isolation, cloud.walls
    if jobs is None or jobs.walls == functions.walls:
        return [f"  walls      {functions.walls}"]
    return [f"  jobs       {jobs.walls}", f"  functions  {functions.walls}"]


def _isolation(boundary: "Boundary | None") -> str:
    """Says how containers see their folder, and why not better where it could be."""
    if boundary is None:
        return "not started"
    return f"{boundary.name} ({boundary.reason})" if boundary.reason else boundary.name
