"""Records as bytes: one batch of an execution's records is one compressed JSON array.

zlib's checksum tells a record that was damaged on the disk.
"""

import json
import zlib
from collections.abc import Iterable

import orjson

from local.stepfunctions.interpreter.events import Event
from local.stepfunctions.journal.errors import JournalDamaged

_LEVEL = 1
_make = Event._make


def encode(records: Iterable[Event]) -> bytes:
    plain = [tuple(record) for record in records]
    try:
        text = orjson.dumps(plain)
    except TypeError:
        # Numbers over 64 bits and halves of surrogate pairs are JSON for Step Functions, not for orjson.
        text = json.dumps(plain, separators=(",", ":")).encode()
    return zlib.compress(text, _LEVEL)


def decode(body: bytes) -> list[Event]:
    """Raises JournalDamaged."""
    try:
        text = zlib.decompress(body)
        try:
            plain = orjson.loads(text)
        except orjson.JSONDecodeError:
            plain = json.loads(text)
        return [_make(record) for record in plain]
    except (zlib.error, ValueError, TypeError) as error:
        raise JournalDamaged(f"a batch of records cannot be read: {error}") from error
