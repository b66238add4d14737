"""`headrace jobs`: the newest jobs, of one kind or status or of one uploaded object."""

from typing import Annotated

import typer

from cli.api.client import Api
from cli.api.words import JobKind, JobStatus
from cli.terminal.options import ApiUrl, AsJson, one_of
from cli.terminal.output import print_json, status_text, table


def jobs(
    kind: Annotated[str | None, typer.Option(help=one_of(JobKind))] = None,
    job_status: Annotated[str | None, typer.Option("--status", help=one_of(JobStatus))] = None,
    key: Annotated[str | None, typer.Option(help="Only the jobs of one uploaded object.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100)] = 20,
    api_url: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """List jobs, the newest first."""
    wanted = {"kind": kind, "status": job_status, "key": key, "limit": str(limit)}
    page = Api.at(api_url).get("/v1/jobs", {name: value for name, value in wanted.items() if value})
    if as_json:
        print_json(page)
        return
    table(
        ("JOB", "KIND", "ALGORITHM", "STATUS", "STEP", "CREATED"),
        (
            (
                job["job_id"],
                job["kind"],
                job["algorithm"] or "",
                status_text(job["status"]),
                job["step"] or "",
                job["created_at"],
            )
            for job in page["jobs"]
        ),
    )
