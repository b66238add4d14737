"""What a definition refers to in the artifacts bucket, described; publishing sends what is not there yet."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from pipelines.folders import pack


class UploadKind(Enum):
    """What stands at `Upload.path`."""

    FILE = "file"
    FOLDER = "folder"
    """Packed as tar.gz when it is read."""


class Origin(Protocol):
    """Where a folder comes from that is not there yet."""

    def fetch(self) -> Path:
        """Returns the folder. Raises PipelinesError when it cannot be had."""


@dataclass(frozen=True, slots=True)
class Upload:
    """One object of the artifacts bucket; its key carries the content's hash, so it is never overwritten."""

    key: str
    path: Path
    kind: UploadKind
    origin: Origin | None = None
    """Fetched when the bytes are asked for; `path` is where the folder stands then."""

    def body(self) -> bytes:
        """Returns the object's bytes. Raises OSError when the file is gone, and what `origin` raises."""
        if self.origin is not None:
            return pack(self.origin.fetch())
        return pack(self.path) if self.kind is UploadKind.FOLDER else self.path.read_bytes()
