"""`headrace status`: what became of an upload."""

from cli.api.client import Api
from cli.api.report import print_job
from cli.terminal.options import ApiUrl, AsJson, JobId
from cli.terminal.output import print_json


def status(
    job_id: JobId,
    api_url: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show one job: where it stands, what it made, why it failed."""
    job = Api.at(api_url).job(job_id)
    if as_json:
        print_json(job)
    else:
        print_job(job)
