"""How commands speak: pictures and progress on a terminal, plain lines in a pipe, one JSON document with --json.

Progress and remarks go to standard error, answers to standard output.
"""

import json
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.documents import Json

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

_WIDEST = 10_000

STATUS_STYLES = {"SUCCESS": "green", "FAILURE": "red", "INPROGRESS": "cyan", "PENDING": "yellow", "STOPPED": "magenta"}


def print_json(document: Json) -> None:
    """Prints one JSON document on standard output."""
    print(json.dumps(document, indent=2, ensure_ascii=False, default=str))


def say(text: str) -> None:
    """Prints a remark about what is being done, on standard error."""
    err.print(f"[dim]·[/dim] {escape(text)}")


def status_text(status: str) -> str:
    """Returns a job status in its colour, as markup."""
    style = STATUS_STYLES.get(status, "default")
    return f"[{style}]{status}[/{style}]"


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> None:
    """Prints a table on standard output; cells may hold markup. In a pipe a row is a line, whatever its length."""
    grid = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for number, column in enumerate(columns):
        grid.add_column(column, overflow="fold", no_wrap=number == 0)
    for row in rows:
        grid.add_row(*(str(cell) for cell in row))
    console = out if out.is_terminal else Console(file=out.file, width=_WIDEST)
    console.print(grid)
