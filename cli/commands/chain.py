"""`headrace chain`: images are asked of one endpoint, and what it finds of another."""

from pathlib import Path
from typing import Annotated

import typer

from cli.api.client import Api
from cli.api.report import report
from cli.api.uploads import put_images
from cli.api.words import JobKind
from cli.terminal.options import ApiUrl, AsJson


def chain(
    algorithm: Annotated[str, typer.Argument(help="A chain of `headrace algorithms list`.")],
    images: Annotated[list[Path], typer.Argument(help="Images, JPEG or PNG; each is a job of its own.")],
    follow: Annotated[bool, typer.Option(help="Wait until the jobs have finished.")] = True,
    api_url: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """Upload images; what the chain's first endpoint finds in each, its second one reads."""
    api = Api.at(api_url)
    titles = put_images(api, images, {"kind": JobKind.CHAIN, "algorithm": algorithm}, f"{algorithm} of")
    report(api, titles, follow=follow, as_json=as_json)
