"""`headrace rerun`: a finished run once more, the same unless something is asked otherwise."""

from typing import Annotated

import typer

from cli.api.client import Api
from cli.api.report import report
from cli.api.settings import hyperparameters
from cli.terminal.options import ApiUrl, AsJson, JobId


def rerun(
    job_id: JobId,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A hyperparameter, as name=value; repeat it for others.")
    ] = None,
    from_step: Annotated[
        str | None, typer.Option("--from", help="Run from this step on, over what was left of those before.")
    ] = None,
    follow: Annotated[bool, typer.Option(help="Wait until the job has finished.")] = True,
    api_url: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """Run a job again: the same input, hyperparameters and pipeline; the new job links the old one."""
    api = Api.at(api_url)
    asked = {"hyperparameters": hyperparameters(settings or ())} | ({"from_step": from_step} if from_step else {})
    again = api.post(f"/v1/jobs/{job_id}/rerun", asked)["job_id"]
    report(api, {again: f"rerun of {job_id}"}, follow=follow, as_json=as_json)
