"""`headrace faces`: photos become images of the face at other ages."""

from pathlib import Path
from typing import Annotated

import typer

from cli.api.client import Api
from cli.api.report import report
from cli.api.uploads import put_images
from cli.api.words import JobKind
from cli.terminal.options import ApiUrl, AsJson


def faces(
    images: Annotated[list[Path], typer.Argument(help="Photos, JPEG or PNG; each is a job of its own.")],
    follow: Annotated[bool, typer.Option(help="Wait until the jobs have finished.")] = True,
    api_url: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """Upload photos; each comes back as five images of the face at different ages."""
    api = Api.at(api_url)
    report(api, put_images(api, images, {"kind": JobKind.FACE}, "faces of"), follow=follow, as_json=as_json)
