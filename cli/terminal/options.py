"""Options that several commands take."""

from collections.abc import Iterable
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
JobId = Annotated[str, typer.Argument(help="The job's id, 26 letters and digits.")]
Stage = Annotated[str, typer.Option(help="A section of samconfig.toml: dev, staging or prod.")]
AsJson = Annotated[bool, typer.Option("--json", help="Answer with JSON on standard output.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="The one port of the local cloud.")]


class Isolation(StrEnum):
    """How containers are kept apart, as local/sagemaker takes it; to import it from there takes longer."""

    AUTO = "auto"
    NAMESPACE = "namespace"
    BASE_DIR = "base-dir"
    DOCKER = "docker"


def one_of(words: Iterable[str]) -> str:
    """Says which words there are: `training, face or chain`."""
    *others, last = words
    return f"{', '.join(others)} or {last}"
