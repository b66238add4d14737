"""Scripts of an algorithm, in the interpreter of the tests: what they do without their framework."""

import ast
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from tests.unit.algorithms.environments import ALGORITHMS


@contextmanager
def imported(algorithm: str, *names: str) -> Iterator[list[ModuleType]]:
    """Modules of an algorithm's source, known inside the block alone: every algorithm has a `train`."""
    with _path(ALGORITHMS / algorithm / "source"):
        yield [importlib.import_module(name) for name in names]


def scripts(folder: Path, *names: str) -> tuple[ModuleType, ...]:
    """Modules of a folder that import all they need when they are imported themselves."""
    with _path(folder):
        return tuple(importlib.import_module(name) for name in names)


def older_python(folder: Path, version: tuple[int, int]) -> list[str]:
    """What a Python as old as the image's would not read, by file."""
    found = []
    for file in sorted(folder.rglob("*.py")):
        try:
            ast.parse(file.read_text("utf-8"), feature_version=version)
        except SyntaxError as error:
            found.append(f"{file.name}:{error.lineno}: {error.msg}")
    return found


@contextmanager
def _path(folder: Path) -> Iterator[None]:
    own = {file.stem for file in folder.glob("*.py")}
    others = {name: sys.modules.pop(name) for name in own & sys.modules.keys()}
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in own & sys.modules.keys():
            del sys.modules[name]
        sys.modules.update(others)
