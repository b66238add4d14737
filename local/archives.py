"""A package of functions as an archive: its files, and beside each module the bytecode that this interpreter makes.

A function's code is mounted read-only, as on AWS, so none of its processes could keep what it compiles: each would
compile it again. The interpreter here is the one that runs them.
"""

import hashlib
import io
import os
import py_compile
import sys
import zipfile
from collections.abc import Iterator, Mapping
from importlib.util import cache_from_source
from pathlib import Path
from tempfile import TemporaryDirectory

_DATE = (1980, 1, 1, 0, 0, 0)
_UNCHECKED = py_compile.PycInvalidationMode.UNCHECKED_HASH
"""Who unpacks an archive gives its files other times, and nobody changes one of them alone."""


class Archive:
    """A package folder as it is now."""

    def __init__(self, folder: Path) -> None:
        self._name = folder.name
        self._files = {file.relative_to(folder).as_posix(): file.read_bytes() for file in _sources(folder)}

    @property
    def digest(self) -> str:
        """What the archive's bytes depend on: the files, and the interpreter that compiles them."""
        digest = hashlib.sha256(f"{self._name} {sys.implementation.cache_tag} {sys.version}".encode())
        for name, content in self._files.items():
            digest.update(f"\0{name}\0{len(content)}\0".encode() + content)
        return digest.hexdigest()

    def body(self) -> bytes:
        """Returns the zip, with the folder at its root; the same sources give the same bytes."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in sorted({**self._files, **self._bytecode()}.items()):
                entry = zipfile.ZipInfo(f"{self._name}/{name}", _DATE)
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
        return buffer.getvalue()

    def _bytecode(self) -> Mapping[str, bytes]:
        """Returns it by its place. What is no Python has none: the function that imports it says so."""
        bytecode = {}
        with TemporaryDirectory() as folder:
            source, compiled = Path(folder, "source"), Path(folder, "compiled")
            for name, content in self._files.items():
                if not name.endswith(".py"):
                    continue
                source.write_bytes(content)
                shown = f"{self._name}/{name}"
                if py_compile.compile(str(source), str(compiled), shown, quiet=2, invalidation_mode=_UNCHECKED):
                    bytecode[cache_from_source(name).replace(os.sep, "/")] = compiled.read_bytes()
        return bytecode


def _sources(folder: Path) -> Iterator[Path]:
    for file in sorted(folder.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            yield file
