"""Task tokens: they say which task they are of, so that none has to be kept, and a restart does not end them."""

import base64
import binascii
import hashlib
import hmac
import struct

_TASK = struct.Struct(">QI")
_SEAL_BYTES = 18


def make(secret: bytes, execution: int, task: int) -> str:
    said = _TASK.pack(execution, task)
    return base64.b64encode(said + _seal(secret, said)).decode()


def read(secret: bytes, token: str) -> tuple[int, int] | None:
    """(execution, task); None where the token was not made with this secret."""
    try:
        data = base64.b64decode(token, validate=True)
    except (binascii.Error, ValueError):
        return None
    said, seal = data[: _TASK.size], data[_TASK.size :]
    if len(said) != _TASK.size or not hmac.compare_digest(seal, _seal(secret, said)):
        return None
    execution, task = _TASK.unpack(said)
    return execution, task


def _seal(secret: bytes, said: bytes) -> bytes:
    return hashlib.blake2b(said, key=secret, digest_size=_SEAL_BYTES).digest()
