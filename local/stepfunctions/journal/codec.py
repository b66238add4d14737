"""Records as bytes: one batch of an execution's records is one compressed JSON array.

zlib's checksum tells a record that was damaged on the disk.
"""

import json
import zlib
from collections.abc import Iterable
from contextlib import suppress

import orjson

from local.documents import Json
from local.stepfunctions.interpreter.events import Event
from local.stepfunctions.journal.errors import JournalDamaged

_LEVEL = 1
_WHOLE = b" "
"""Before a text that only the json module reads back whole: orjson 3.13 makes a float, without a word, of an integer
below -2**63 or above 2**64 - 1."""
_make = Event._make


def encode(records: Iterable[Event]) -> bytes:
    plain = [tuple(record) for record in records]
    try:
        text = orjson.dumps(plain)
    except TypeError:
        # Numbers over 64 bits and halves of surrogate pairs are JSON for Step Functions, not for orjson.
        text = _WHOLE + json.dumps(plain, separators=(",", ":")).encode()
    return zlib.compress(text, _LEVEL)


def decode(body: bytes) -> list[Event]:
    """Raises JournalDamaged."""
    try:
        text = zlib.decompress(body)
        return [_make(record) for record in _plain(text)]
    except (zlib.error, ValueError, TypeError) as error:
        raise JournalDamaged(f"a batch of records cannot be read: {error}") from error


def _plain(text: bytes) -> Json:
    if not text.startswith(_WHOLE):
        # Journals of before the mark have such texts, too; halves of surrogate pairs are what orjson refuses.
        with suppress(orjson.JSONDecodeError):
            return orjson.loads(text)
    return json.loads(text)
