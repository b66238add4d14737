"""The `predict` command: files and folders -> one line of JSON for each file, without a server."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import annotate


def files(places: Sequence[str]) -> Iterator[Path]:
    for place in map(Path, places):
        yield from sorted(file for file in place.rglob("*") if file.is_file()) if place.is_dir() else [place]


def main(places: Sequence[str]) -> int:
    """1 when a file could not be annotated; the others are annotated all the same."""
    failed = 0
    for file in files(places):
        try:
            line: dict[str, object] = {"file": str(file), **annotate.annotate(file.read_bytes())}
        except (annotate.Unreadable, OSError) as error:
            failed = 1
            line = {"file": str(file), "error": str(error)}
        print(json.dumps(line))
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) if sys.argv[1:] else "usage: predict FILE_OR_FOLDER ...")
