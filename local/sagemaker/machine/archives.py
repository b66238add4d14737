"""tar.gz files: packed from a job's folder, unpacked without trusting what is in them."""

import tarfile
import zlib
from pathlib import Path

from local.sagemaker.wire.errors import ArchiveError

MAX_BYTES = 20 << 30
"""What one archive may unpack to."""
_MAX_MEMBERS = 200_000


def pack(folder: Path, archive: Path) -> None:
    """Packs the contents of `folder` at the archive's top."""
    with tarfile.open(archive, "w:gz", compresslevel=3) as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, arcname=path.name)


def unpack(archive: Path, folder: Path, max_bytes: int = MAX_BYTES) -> None:
    """Unpacks into `folder`.

    Raises ArchiveError for anything but files, folders and links that stay inside, for more than `max_bytes`, and for
    a file that is no tar (gzip or not).
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive, "r:*") as tar:
            tar.extractall(folder, members=_bounded(tar, max_bytes), filter="data")
    except tarfile.FilterError as error:
        raise ArchiveError(f"the archive is refused: {error}") from error
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise ArchiveError(f"the archive cannot be read: {error}") from error


def _bounded(tar: tarfile.TarFile, max_bytes: int) -> list[tarfile.TarInfo]:
    members: list[tarfile.TarInfo] = []
    total = 0
    for member in tar:
        total += member.size
        if total > max_bytes or len(members) >= _MAX_MEMBERS:
            raise ArchiveError(f"the archive unpacks to more than {max_bytes} bytes or {_MAX_MEMBERS} files")
        members.append(member)
    return members


def is_empty(folder: Path) -> bool:
    """Tells whether there are no files anywhere below."""
    return not any(path.is_file() for path in folder.rglob("*"))
