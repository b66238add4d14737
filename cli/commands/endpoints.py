"""`headrace endpoints`, `predict`, `rollback` and `delete-endpoint`: what answers, and with which model."""

import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from cli.api.client import Api
from cli.api.report import report
from cli.errors import UsageError
from cli.terminal.options import ApiUrl, AsJson
from cli.terminal.output import out, print_json, table

Name = Annotated[str, typer.Argument(metavar="ENDPOINT", help="The endpoint's name, or its algorithm's.")]


def endpoints(api_url: ApiUrl = None, as_json: AsJson = False) -> None:
    """List the endpoints, and which model each serves."""
    page = Api.at(api_url).get("/v1/endpoints")
    if as_json:
        print_json(page)
        return
    table(
        ("ENDPOINT", "ALGORITHM", "STATUS", "MODE", "INSTANCES", "MODEL", "UPDATED"),
        (
            (
                endpoint["name"],
                endpoint["algorithm"],
                endpoint["status"],
                endpoint["mode"] or "",
                "" if endpoint["instances"] is None else endpoint["instances"],
                endpoint["model"] or "",
                endpoint["updated_at"],
            )
            for endpoint in page["endpoints"]
        ),
    )


def predict(
    name: Name,
    file: Annotated[Path, typer.Argument(help="What is asked; - for standard input.")],
    content_type: Annotated[str | None, typer.Option(help="The first that the model takes, when left out.")] = None,
    accept: Annotated[str | None, typer.Option(help="The type of the answer.")] = None,
    api_url: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """Ask a model, and write its answer to standard output as it comes."""
    body = sys.stdin.buffer.read() if str(file) == "-" else _read(file)
    prediction = Api.at(api_url).ask(f"/v1/endpoints/{quote(name, safe='')}/invocations", body, content_type, accept)
    if as_json:
        told = prediction.body.decode(errors="replace")
        print_json({"endpoint": name, "content_type": prediction.content_type, "body": told})
    else:
        sys.stdout.buffer.write(prediction.body)
        sys.stdout.buffer.flush()


def _read(file: Path) -> bytes:
    """Raises UsageError."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error


def rollback(
    name: Name,
    follow: Annotated[bool, typer.Option(help="Wait until the endpoint has changed.")] = True,
    api_url: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """Serve again what the endpoint served before."""
    api = Api.at(api_url)
    started = api.post(f"/v1/endpoints/{quote(name, safe='')}/rollback", {})
    report(api, {started["job_id"]: f"roll back {name}"}, follow=follow, as_json=as_json)


def delete_endpoint(
    name: Name,
    sure: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    api_url: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """Take an endpoint down; its models and configs stay, and an approval brings it back."""
    if not sure and not typer.confirm(f"Nobody will be answered at {name} any more. Delete it?", err=True):
        raise typer.Exit(1)
    deleted = Api.at(api_url).delete(f"/v1/endpoints/{quote(name, safe='')}")
    if as_json:
        print_json(deleted)
    else:
        out.print(f"{deleted['name']} is being deleted", markup=False)
