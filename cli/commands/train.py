"""`headrace train`, `faces` and `chain`: upload files and follow their jobs to endpoint, images or texts."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.api import uploads
from cli.api.client import Api
from cli.commands.jobs import print_job
from cli.errors import CommandError, UsageError
from cli.terminal.options import ApiUrl, Json
from cli.terminal.output import print_json


def train(
    algorithm: Annotated[str, typer.Argument(help="A name of `headrace algorithms list`.")],
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Datasets; each starts a job of its own. Without any: the newest that was uploaded."),
    ] = None,
    given: Annotated[
        list[str] | None, typer.Option("--set", help="A hyperparameter, as name=value; repeat it for others.")
    ] = None,
    follow: Annotated[bool, typer.Option(help="Wait until the jobs have finished.")] = True,
    api_url: ApiUrl = None,
    as_json: Json = False,
) -> None:
    """Upload datasets; each trains the algorithm, and its model is deployed if it is good enough.

    An algorithm whose model comes ready-made takes no files: it is deployed.
    """
    api = Api.at(api_url)
    titles = {}
    asked = {"algorithm": algorithm, "hyperparameters": hyperparameters(given or ())}
    if not files:
        titles[api.post("/v1/trainings", asked)["job_id"]] = algorithm
    for file in map(uploads.checked, files or ()):
        request = {"kind": "training", "filename": file.name, **asked}
        titles[uploads.put(api, file, request)] = f"train {algorithm} on {file.name}"
    report(api, titles, follow=follow, as_json=as_json)


def hyperparameters(given: Iterable[str]) -> dict[str, Any]:
    """`name=value` words as the API takes them: a number, a text in double quotes, or all else as it stands.

    Raises UsageError.
    """
    found: dict[str, Any] = {}
    for word in given:
        name, sign, value = word.partition("=")
        if not name or not sign:
            raise UsageError(f"--set: expected name=value, found {word!r}")
        try:
            read = json.loads(value)
        except ValueError:
            read = None
        found[name] = read if isinstance(read, int | float | str) and not isinstance(read, bool) else value
    return found


def faces(
    images: Annotated[list[Path], typer.Argument(help="Photos, JPEG or PNG; each is a job of its own.")],
    follow: Annotated[bool, typer.Option(help="Wait until the jobs have finished.")] = True,
    api_url: ApiUrl = None,
    as_json: Json = False,
) -> None:
    """Upload photos; each comes back as five images of the face at different ages."""
    _send(images, {"kind": "face"}, "faces of", follow=follow, api_url=api_url, as_json=as_json)


def chain(
    algorithm: Annotated[str, typer.Argument(help="A chain of `headrace algorithms list`.")],
    images: Annotated[list[Path], typer.Argument(help="Images, JPEG or PNG; each is a job of its own.")],
    follow: Annotated[bool, typer.Option(help="Wait until the jobs have finished.")] = True,
    api_url: ApiUrl = None,
    as_json: Json = False,
) -> None:
    """Upload images; what the chain's first endpoint finds in each, its second one reads."""
    asked = {"kind": "chain", "algorithm": algorithm}
    _send(images, asked, f"{algorithm} of", follow=follow, api_url=api_url, as_json=as_json)


def _send(
    images: list[Path], asked: Mapping[str, str], title: str, *, follow: bool, api_url: str | None, as_json: bool
) -> None:
    api = Api.at(api_url)
    titles = {}
    for file in map(uploads.checked, images):
        request = {**asked, "filename": file.name, "content_type": uploads.content_type(file)}
        titles[uploads.put(api, file, request)] = f"{title} {file.name}"
    report(api, titles, follow=follow, as_json=as_json)


def report(api: Api, titles: dict[str, str], *, follow: bool, as_json: bool) -> None:
    """Print the jobs, followed to their end or as they are. Raises CommandError when one failed."""
    jobs = uploads.follow_all(api, titles) if follow else [api.job(job_id) for job_id in titles]
    if as_json:
        print_json(jobs)
    else:
        for job in jobs:
            print_job(job)
    if follow and (failed := uploads.failures(jobs)):
        raise CommandError(f"{len(failed)} of {len(jobs)} jobs failed")
