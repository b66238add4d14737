"""`headrace models`, `approve` and `reject`: what was registered, and what a person decides about it."""

from typing import Annotated
from urllib.parse import quote

import typer

from cli.api.client import Api
from cli.api.report import report
from cli.terminal.options import ApiUrl, AsJson
from cli.terminal.output import out, print_json, table

ModelId = Annotated[
    str, typer.Argument(metavar="MODEL", help="A model of `headrace models`, such as decision-trees-3.")
]
Reason = Annotated[str | None, typer.Option(help="Kept with the model in the registry.")]
Follow = Annotated[bool, typer.Option(help="Wait until the endpoint has changed.")]

_STYLES = {"Approved": "green", "Rejected": "red", "PendingManualApproval": "yellow"}


def models(
    algorithm: Annotated[str | None, typer.Argument(help="Only the models of one algorithm.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Of each algorithm.")] = 20,
    api_url: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """List the registered models, the newest of each algorithm first."""
    wanted = {"algorithm": algorithm, "limit": str(limit)}
    page = Api.at(api_url).get("/v1/models", {name: value for name, value in wanted.items() if value})
    if as_json:
        print_json(page)
        return
    table(
        ("MODEL", "ALGORITHM", "APPROVAL", "ENDPOINT", "JOB", "CREATED"),
        (
            (
                model["id"],
                model["algorithm"] or "",
                f"[{_STYLES.get(model['approval'], 'default')}]{model['approval']}[/]",
                model["endpoint"] or "",
                model["job_id"] or "",
                model["created_at"],
            )
            for model in page["models"]
        ),
    )


def approve(
    model: ModelId, reason: Reason = None, follow: Follow = True, api_url: ApiUrl = None, as_json: AsJson = False
) -> None:
    """Approve a model: its endpoint serves it, once it has answered its sample."""
    _decide(Api.at(api_url), model, {"status": "Approved", "reason": reason}, follow=follow, as_json=as_json)


def reject(
    model: ModelId, reason: Reason = None, follow: Follow = True, api_url: ApiUrl = None, as_json: AsJson = False
) -> None:
    """Reject a model: an endpoint that serves it serves what it served before."""
    _decide(Api.at(api_url), model, {"status": "Rejected", "reason": reason}, follow=follow, as_json=as_json)


def _decide(api: Api, model: str, decision: dict[str, str | None], *, follow: bool, as_json: bool) -> None:
    decided = api.post(f"/v1/models/{quote(model, safe='')}/approval", decision)
    if decided["job_id"] is not None:
        report(api, {decided["job_id"]: f"{model}: {decided['status']}"}, follow=follow, as_json=as_json)
    elif as_json:
        print_json(decided)
    else:
        out.print(f"{model} is {decided['status']}; no endpoint has to change", markup=False)
