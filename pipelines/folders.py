"""A folder of sources -> a deterministic tar.gz, and its content address. `staging` says what is packed and uploaded.

Equal trees give equal bytes: entries are sorted, and times, owners and modes are fixed. The address is the hash of
the tar before compression, so that another zlib does not give another address.
"""

import gzip
import hashlib
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final, Protocol

from pipelines.problems import expected

MAX_BYTES: Final = 250 * 1024 * 1024
"""Bound of one packed folder, unpacked; also what a script-mode container has to unpack at every start."""

_LEFT_OUT: Final = frozenset(
    {"__pycache__", ".git", ".venv", ".DS_Store", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a tree; `name` is its path inside, with slashes."""

    name: str
    path: Path
    size: int
    executable: bool


def files(folder: Path) -> tuple[Entry, ...]:
    """Returns the files of a folder that are packed, sorted by name. Raises OSError when it cannot be read."""
    return tuple(sorted(_walk(folder, folder), key=lambda entry: entry.name))


def _walk(folder: Path, root: Path) -> Iterator[Entry]:
    for item in os.scandir(folder):
        path = Path(item.path)
        if item.name in _LEFT_OUT or item.name.endswith((".pyc", ".pyo")):
            continue
        if item.is_dir(follow_symlinks=False):
            yield from _walk(path, root)
        elif path.is_file():
            status = path.stat()
            yield Entry(path.relative_to(root).as_posix(), path, status.st_size, bool(status.st_mode & 0o100))


def problems_of(folder: Path, root: Path) -> list[tuple[str, str]]:
    """Returns what keeps a folder from being packed, as (path inside the algorithm's folder `root`, text)."""
    problems = [(str(path.relative_to(root)), text) for path, text in _strays(folder, root.resolve())]
    total = sum(entry.size for entry in files(folder))
    if total > MAX_BYTES:
        what = f"at most {MAX_BYTES // 1024**2} MB unpacked"
        problems.append((str(folder.relative_to(root)), f"expected {what}, found {total / 1024**2:.0f} MB"))
    return problems


def _strays(folder: Path, root: Path) -> Iterator[tuple[Path, str]]:
    for directory, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _LEFT_OUT)
        for name in sorted([*folders, *names]):
            path = Path(directory) / name
            if path.is_symlink():
                text = _link_problem(path, root)
                if text:
                    yield path, text
            elif not path.is_dir() and not path.is_file():
                yield path, "expected a file or a folder, found a device, pipe or socket"


def _link_problem(path: Path, root: Path) -> str:
    target = str(path.readlink())
    if not path.resolve().is_relative_to(root):
        return expected("nothing that leaves the algorithm's folder", f"link to {target}")
    if path.is_file():
        return ""
    return expected("a symbolic link to a file of this folder", f"link to {target}")


def inside(root: Path, relative: str) -> Path | None:
    """Returns the path `relative` below `root`, or None when it leaves `root`, by `..` or by a link on the way."""
    if ".." in PurePosixPath(relative).parts or PurePosixPath(relative).is_absolute():
        return None
    path = root / relative
    return path if path.resolve().is_relative_to(root.resolve()) else None


class _Sink(Protocol):
    def write(self, data: bytes, /) -> object: ...


class _HashSink:
    def __init__(self) -> None:
        self.hash = hashlib.sha256()

    def write(self, data: bytes, /) -> int:
        self.hash.update(data)
        return len(data)


def digest(folder: Path) -> str:
    """Returns the content address of a folder: sha256 of its tar, in hexadecimal."""
    sink = _HashSink()
    _write_tar(folder, sink)
    return sink.hash.hexdigest()


def pack(folder: Path) -> bytes:
    """Returns the tar.gz of a folder."""
    buffer = BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=buffer, mtime=0) as stream:
        _write_tar(folder, stream)
    return buffer.getvalue()


def _write_tar(folder: Path, sink: _Sink) -> None:
    with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]
        for entry in files(folder):
            member = tarfile.TarInfo(entry.name)
            member.size = entry.size
            member.mode = 0o755 if entry.executable else 0o644
            with entry.path.open("rb") as content:
                _add(archive, member, content)


def _add(archive: tarfile.TarFile, member: tarfile.TarInfo, content: BinaryIO) -> None:
    # TarInfo's own defaults are the fixed ones: time 0, user and group 0, no names.
    archive.addfile(member, content)
