"""A transform job's input, as the payloads that its requests carry.

The bytes of a record keep what delimits it (a line's newline, RecordIO's framing), so that payloads are pieces of the
file.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from local.sagemaker.wire.errors import WorkFailed

_MEGABYTE = 1 << 20
_RECORDIO_MAGIC = 0xCED7230A
_RECORDIO_LENGTH = (1 << 29) - 1


@dataclass(frozen=True, slots=True)
class Payload:
    """The body of one request."""

    body: bytes
    records: tuple[bytes, ...]
    """As they stand in the input, before any filter."""


@dataclass(frozen=True, slots=True)
class Batching:
    """How a file becomes payloads."""

    split: str
    """SplitType: None, Line or RecordIO."""
    several: bool
    """BatchStrategy MultiRecord: as many records as fit."""
    max_bytes: int
    """0: no limit."""

    def payloads(self, file: Path, filtered: Callable[[bytes], bytes] = lambda record: record) -> Iterator[Payload]:
        """Yields them; `filtered` makes of a record what the container gets of it.

        Raises WorkFailed for a record that does not fit.
        """
        records: list[bytes] = []
        body: list[bytes] = []
        size = 0
        with file.open("rb") as opened:
            for record in _SPLITTERS[self.split](opened):
                content = filtered(record)
                self._check(len(content), file)
                if records and not (self.several and self._fits(size + len(content))):
                    yield Payload(b"".join(body), tuple(records))
                    records, body, size = [], [], 0
                records.append(record)
                body.append(content)
                size += len(content)
        if records:
            yield Payload(b"".join(body), tuple(records))

    def _fits(self, size: int) -> bool:
        return not self.max_bytes or size <= self.max_bytes

    def _check(self, size: int, file: Path) -> None:
        if not self._fits(size):
            limit = self.max_bytes // _MEGABYTE
            raise WorkFailed(f"a record of {file.name} has {size} bytes, which is more than MaxPayloadInMB ({limit})")


def _whole(file: IO[bytes]) -> Iterator[bytes]:
    yield file.read()


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    return (line for line in file if line.strip())


def _recordio(file: IO[bytes]) -> Iterator[bytes]:
    """Parts MXNet's framing: magic, length (its upper bits mark the parts of one record), content padded to 4 bytes."""
    record = b""
    while head := file.read(8):
        if len(head) < 8 or struct.unpack("<I", head[:4])[0] != _RECORDIO_MAGIC:
            raise WorkFailed("the input is not RecordIO")
        word = struct.unpack("<I", head[4:])[0]
        length = word & _RECORDIO_LENGTH
        padded = (length + 3) // 4 * 4
        content = file.read(padded)
        if len(content) < padded:
            raise WorkFailed("the input ends within a RecordIO record")
        record += head + content
        # 0: a whole record; 1, 2, 3: its first, a middle and its last part.
        if word >> 29 in (0, 3):
            yield record
            record = b""


_SPLITTERS: Mapping[str, Callable[[IO[bytes]], Iterator[bytes]]] = {
    "None": _whole,
    "Line": _lines,
    "RecordIO": _recordio,
}
