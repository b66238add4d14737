"""Jobs as a person reads them, followed to their end or as they are."""

from collections.abc import Mapping

from cli.api.client import Api, Job
from cli.api.following import failures, follow_all
from cli.errors import CommandError
from cli.terminal.output import out, print_json, status_text
from pipelines.documents import Json


def report(api: Api, titles: dict[str, str], *, follow: bool, as_json: bool) -> None:
    """Prints jobs, followed to their end or as they are. Raises CommandError when one failed."""
    jobs = follow_all(api, titles) if follow else [api.job(job_id) for job_id in titles]
    if as_json:
        print_json(jobs)
    else:
        for job in jobs:
            print_job(job)
    if follow and (failed := failures(jobs)):
        raise CommandError(f"{len(failed)} of {len(jobs)} jobs failed")


def print_job(job: Job) -> None:
    """Prints a job for a person."""
    progress = f"{job['steps_done']} of {job['steps_total']} steps"
    out.print(f"{job['job_id']}  {status_text(job['status'])}  {job['kind']} {job['algorithm'] or ''}  {progress}")
    if job["source"]:
        out.print(f"  from      s3://{job['source']['bucket']}/{job['source']['key']}", markup=False)
    for name, value in job["links"].items():
        if value:
            out.print(f"  {name:<18} {value}", markup=False)
    _print_run(job["run"])
    for result in job["results"]:
        out.print(f"  {result['label']:<18} {result['url']}", markup=False)
    if job["error"]:
        out.print(f"  [red]{job['error']['code']}[/red]", end=": ")
        out.print(job["error"]["message"], markup=False)


def _print_run(run: Mapping[str, Json]) -> None:
    """Prints what was measured, what was told otherwise than by default, and which run it goes back to."""
    told = {
        name: entry["value"] for name, entry in (run["hyperparameters"] or {}).items() if entry["origin"] != "default"
    }
    lines = {
        "metrics": "  ".join(f"{name}={value:.6g}" for name, value in run["metrics"].items()),
        "hyperparameters": "  ".join(f"{name}={value}" for name, value in told.items()),
        "rerun of": run["rerun_of"] or "",
    }
    for name, line in lines.items():
        if line:
            out.print(f"  {name:<18} {line}", markup=False)
