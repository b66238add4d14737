"""`headrace lineage`: where a job's results come from, from the upload to the endpoint."""

from cli.api.client import Api
from cli.terminal.options import ApiUrl, AsJson, JobId
from cli.terminal.output import print_json, table


def lineage(
    job_id: JobId,
    api_url: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show what came of what: upload, event, execution, pipeline, model package, endpoint, results."""
    document = Api.at(api_url).get(f"/v1/jobs/{job_id}/lineage")
    if as_json:
        print_json(document)
        return
    table(("WHAT", "WHICH", "BY"), ((node["kind"], node["id"], node["detail"] or "") for node in document["lineage"]))
