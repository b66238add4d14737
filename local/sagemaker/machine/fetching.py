"""What S3 locations name, brought into folders: objects of a prefix, and a sourcedir.tar.gz."""

import gzip
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from local.sagemaker.machine import archives, storage
from local.sagemaker.machine.machine import Machine
from local.sagemaker.wire.errors import StorageError, WorkFailed

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Fetched:
    """One object and the file it becomes."""

    bucket: str
    key: str
    file: Path


def fetch(machine: Machine, uri: str, folder: Path) -> None:
    """Brings what an S3 prefix names. Raises WorkFailed."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        fetch_objects(machine, objects(machine, uri, folder))
    except WorkFailed as error:
        raise WorkFailed(f"Data download failed: {error}") from error


def fetch_if_any(machine: Machine, uri: str, folder: Path) -> None:
    """Brings everything under a prefix; nothing may be there. Raises WorkFailed."""
    fetch_objects(machine, _under(machine, uri.rstrip("/") + "/", folder))


def objects(machine: Machine, uri: str, folder: Path) -> list[Fetched]:
    """Lists what a prefix names, in S3's order. Raises StorageError when that is nothing."""
    named = _under(machine, uri, folder)
    if not named:
        raise StorageError(f"No S3 objects found under S3 URL {uri!r}")
    return named


def _under(machine: Machine, uri: str, folder: Path) -> list[Fetched]:
    bucket, prefix = storage.split(uri)
    return [Fetched(bucket, key, file) for key, file in storage.targets(machine.s3, bucket, prefix, folder)]


def fetch_objects(machine: Machine, named: Sequence[Fetched], unpack: bool = False) -> None:
    """Brings all of them; `unpack` their gzip. Raises StorageError."""
    files = {fetched.file for fetched in named}
    for file in files:
        if any(parent in files for parent in file.parents):
            raise StorageError(f"a key is both an object and a folder of others: {file.name!r}")
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
    storage.together([partial(fetch_object, machine, fetched, unpack) for fetched in named], machine.closing)


def fetch_object(machine: Machine, fetched: Fetched, unpack: bool) -> Path:
    """Answers the file, which has lost its `.gz` when it was unpacked. Raises StorageError."""
    storage.download(machine.s3, fetched.bucket, fetched.key, fetched.file)
    if not unpack:
        return fetched.file
    packed = fetched.file.rename(fetched.file.with_name(fetched.file.name + ".packed"))
    file = fetched.file.with_suffix("") if fetched.file.suffix == ".gz" else fetched.file
    try:
        with gzip.open(packed) as content, file.open("wb") as sink:
            shutil.copyfileobj(content, sink, _CHUNK)
    except (OSError, EOFError) as error:
        raise StorageError(f"s3://{fetched.bucket}/{fetched.key} is not gzip: {error}") from error
    packed.unlink()
    return file


def fetch_source(machine: Machine, uri: str, folder: Path, aside: Path) -> None:
    """Unpacks a sourcedir.tar.gz of script mode into `folder`. Raises WorkFailed."""
    try:
        storage.download_object(machine.s3, uri, aside)
        archives.unpack(aside, folder)
    except WorkFailed as error:
        raise WorkFailed(f"the source {uri} cannot be used: {error}") from error
    finally:
        aside.unlink(missing_ok=True)


def requirements(folder: Path) -> bytes:
    """Reads the source's own requirements.txt; empty where it has none."""
    file = folder / "requirements.txt"
    return file.read_bytes() if file.is_file() else b""
