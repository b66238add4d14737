"""`headrace stop`: a job ends now, and with it all that runs for it."""

from cli.api.client import Api
from cli.api.report import print_job
from cli.terminal.options import ApiUrl, AsJson, JobId
from cli.terminal.output import print_json


def stop(
    job_id: JobId,
    api_url: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """Stop a job: its execution, its pipeline, the job of its step; what it was deploying is taken back."""
    job = Api.at(api_url).post(f"/v1/jobs/{job_id}/stop", {})
    if as_json:
        print_json(job)
    else:
        print_job(job)
