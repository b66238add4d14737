"""Options that several commands take."""

from enum import StrEnum
from typing import Annotated

import typer

ApiUrl = Annotated[
    str | None,
    typer.Option(
        "--api-url",
        envvar="HEADRACE_API_URL",
        help="The API to ask; the local cloud at http://127.0.0.1:4566 when left out.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Answer with JSON on standard output.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="The one port of the local cloud.")]


class Isolation(StrEnum):
    """As in `local.sagemaker.machine.settings`, which takes longer to import."""

    AUTO = "auto"
    NAMESPACE = "namespace"
    BASE_DIR = "base-dir"
    DOCKER = "docker"
