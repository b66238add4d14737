"""`headrace status` and `headrace jobs`: what became of an upload."""

from typing import Annotated

import typer

from cli.api.client import Api, Job
from cli.terminal.options import ApiUrl, Json
from cli.terminal.output import out, print_json, status_text, table

STATUSES = "PENDING, INPROGRESS, SUCCESS or FAILURE"


def status(
    job_id: Annotated[str, typer.Argument(help="The job's id, 26 letters and digits.")],
    api_url: ApiUrl = None,
    as_json: Json = False,
) -> None:
    """One job: where it stands, what it made, why it failed."""
    job = Api.at(api_url).job(job_id)
    if as_json:
        print_json(job)
    else:
        print_job(job)


def jobs(
    kind: Annotated[str | None, typer.Option(help="training, face, batch or deployment")] = None,
    job_status: Annotated[str | None, typer.Option("--status", help=STATUSES)] = None,
    key: Annotated[str | None, typer.Option(help="Only the jobs of one uploaded object.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100)] = 20,
    api_url: ApiUrl = None,
    as_json: Json = False,
) -> None:
    """The newest jobs first."""
    wanted = {"kind": kind, "status": job_status, "key": key, "limit": str(limit)}
    answer = Api.at(api_url).get("/v1/jobs", {name: value for name, value in wanted.items() if value})
    if as_json:
        print_json(answer)
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
            for job in answer["jobs"]
        ),
    )


def print_job(job: Job) -> None:
    """A job for a person."""
    progress = f"{job['steps_done']} of {job['steps_total']} steps"
    out.print(f"{job['job_id']}  {status_text(job['status'])}  {job['kind']} {job['algorithm'] or ''}  {progress}")
    if job["source"]:
        out.print(f"  from      s3://{job['source']['bucket']}/{job['source']['key']}", markup=False)
    for name, value in job["links"].items():
        if value:
            out.print(f"  {name:<18} {value}", markup=False)
    for result in job["results"]:
        out.print(f"  {result['label']:<18} {result['url']}", markup=False)
    if job["error"]:
        out.print(f"  [red]{job['error']['code']}[/red]", end=": ")
        out.print(job["error"]["message"], markup=False)
