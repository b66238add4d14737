"""`python -m bench [NAME...]`: run the measurements and print a row each as they come."""

import os
import sys
from collections.abc import Callable, Iterator
from importlib import import_module

from rich.console import Console

from bench.measure import Row

NAMES = (
    "imports", "starts", "split", "uploads", "training", "sagemaker", "catalogue", "engine", "http", "maps", "waiting",
    "growth", "functions", "checksums", "steady", "burst",
)  # fmt: skip


def main(names: list[str]) -> int:
    """Run some or all; 2 when a name is unknown."""
    console = Console(highlight=False, soft_wrap=True)
    if unknown := [name for name in names if name not in NAMES]:
        console.print(f"no measurement {unknown[0]!r}; there are {', '.join(NAMES)}")
        return 2
    for name in names or NAMES:
        run: Callable[[], Iterator[Row]] = import_module(f"bench.{name}").run
        for row in run():
            ratio = "" if row.ratio is None else f"{row.ratio:.2f}x"
            said = {"ours": row.ours, "peer": row.peer, "ratio": ratio, "aim": row.aim}
            figures = [f"{name} {value}" for name, value in said.items() if value]
            # On a busy machine both sides are slower, and what waits for the processor much more so.
            figures.append(f"load {os.getloadavg()[0]:.1f}")
            console.print(f"{row.what}\n    {'   '.join(figures)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
