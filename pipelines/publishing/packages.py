"""The code of a function as a zip file, built as `sam build` builds it; equal trees give equal bytes."""

import base64
import hashlib
import os
import subprocess
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipelines.problems import PublishError

_BUILD_SECONDS: Final = 600
_ZIP_DATE: Final = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Package:
    """One function's code as a zip file; equal trees give equal bytes."""

    file: Path
    sha256: str
    """As Lambda's CodeSha256 says it."""
    entries: Mapping[str, int]
    """The checksum of each file."""

    @property
    def size(self) -> int:
        return self.file.stat().st_size


def make_build(root: Path) -> Callable[[str, Path], None]:
    """Returns what builds a function as `sam build` does where BuildMethod is makefile."""

    def build(logical_id: str, folder: Path) -> None:
        command = ("make", "--silent", "--directory", str(root), f"build-{logical_id}", f"ARTIFACTS_DIR={folder}")
        try:
            subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=_BUILD_SECONDS, check=True
            )
        except subprocess.CalledProcessError as error:
            said = " ".join(error.stderr.split())[-300:]
            raise PublishError(f"make build-{logical_id}: ended with {error.returncode}: {said}") from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PublishError(f"make build-{logical_id}: {error}") from error

    return build


def packed(tree: Path, file: Path) -> Package:
    """Zips a folder: entries sorted, without times and owners."""
    entries: dict[str, int] = {}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in _files(tree):
            info = zipfile.ZipInfo(name, _ZIP_DATE)
            info.external_attr = (0o755 if os.access(path, os.X_OK) else 0o644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, path.read_bytes())
            entries[name] = info.CRC
    digest = hashlib.sha256(file.read_bytes()).digest()
    return Package(file, base64.b64encode(digest).decode(), entries)


def _files(tree: Path) -> Iterable[tuple[str, Path]]:
    # uv leaves a lock file, which is nothing to a function.
    paths = ((path.relative_to(tree).as_posix(), path) for path in tree.rglob("*") if path.is_file())
    return sorted((name, path) for name, path in paths if name != ".lock")


def content_sha256(tree: Path) -> str:
    """Hash of what a tree holds."""
    digest = hashlib.sha256()
    for name, path in _files(tree):
        content = path.read_bytes()
        digest.update(f"{name}\n{os.access(path, os.X_OK)}\n{len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()
