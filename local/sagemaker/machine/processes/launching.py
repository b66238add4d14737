"""The command line of `launcher.py`; its docstring says what it is told."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from local.documents import Document

# The interpreter of the cloud itself, whichever one builds and runs.
_PYTHON = sys.executable
_LAUNCHER = Path(__file__).with_name("launcher.py")


def launched(job: Document) -> list[str]:
    return [_PYTHON, "-I", "-S", str(_LAUNCHER), json.dumps(job)]


def guarded(argv: Sequence[str], folder: Path, standard_input: Path | None = None) -> list[str]:
    """Runs a program as it is, in a folder and with a file as its standard input: it ends with whoever holds its
    launcher's standard input, with all it started.
    """
    nothing: Document = {"ml": None, "binds": {}, "covers": {}, "keep": [], "writable": [], "after": None}
    walls = {"processes": False, "network": True, "readonly": False}
    place = {"cwd": str(folder), "input": str(standard_input or os.devnull)}
    return launched({"argv": list(argv), **place, **nothing, **walls})
