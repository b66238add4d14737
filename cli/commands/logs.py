"""`headrace logs`: what the jobs of a run's steps wrote, the failed step first."""

import time
from typing import Annotated

import typer

from cli.api.client import Api
from cli.api.words import FINISHED
from cli.terminal.options import ApiUrl, AsJson, JobId
from cli.terminal.output import out, print_json, say
from pipelines.documents import Document

_PAUSE = 1.0


def logs(
    job_id: JobId,
    step: Annotated[str | None, typer.Option(help="A step; the one that failed, or the latest, when left out.")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what is written until the job ends.")] = False,
    api_url: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show the log of a job's step, the last lines last."""
    api = Api.at(api_url)
    page = _page(api, job_id, {"step": step} if step else {})
    if as_json:
        print_json(page)
        return
    say(f"{page['step'] or 'no step has a log yet'}{'  (' + page['status'] + ')' if page['status'] else ''}")
    _print(page)
    while follow:
        # Asked first: what was written before the end is read after it.
        over = api.job(job_id)["status"] in FINISHED
        present = _page(api, job_id, {"step": step} if step else {})
        if present["step"] != page["step"]:
            say(f"{present['step']}  ({present['status']})")
            page = present
        else:
            page = _page(api, job_id, {"step": page["step"], "after": page["next"]} if page["step"] else {})
        _print(page)
        if over and not page["lines"]:
            return
        time.sleep(_PAUSE)


def _page(api: Api, job_id: str, query: dict[str, str]) -> Document:
    page: Document = api.get(f"/v1/jobs/{job_id}/logs", query)
    return page


def _print(page: Document) -> None:
    for line in page["lines"]:
        out.print(line["message"], markup=False)
