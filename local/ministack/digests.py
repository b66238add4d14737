"""The arithmetic of S3's checksums, by C code (docs/decisions/0011)."""

import base64
import contextlib
import hashlib
import zlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field

import anycrc
import xxhash

Headers = dict[str, str]

DEFAULT = "CRC64NVME"
"""What S3 gives an object that is uploaded without a checksum."""

_PIECE = 4 * 1024 * 1024
# The C code of the CRCs keeps the interpreter's lock: half a millisecond a piece, and others may go on.


def _crc(model: str, size: int) -> Callable[[bytes], bytes]:
    step = anycrc.Model(model).calc

    def digest(body: bytes) -> bytes:
        view = memoryview(body)
        value = step(view[:_PIECE])
        for start in range(_PIECE, len(view), _PIECE):
            value = step(view[start : start + _PIECE], value)
        return int(value).to_bytes(size, "big")

    return digest


DIGESTS: dict[str, Callable[[bytes], bytes]] = {
    "CRC32": lambda body: zlib.crc32(body).to_bytes(4, "big"),
    "CRC32C": _crc("CRC32C", 4),
    "CRC64NVME": _crc("CRC64-NVME", 8),
    "SHA1": lambda body: hashlib.sha1(body).digest(),
    "SHA256": lambda body: hashlib.sha256(body).digest(),
    "SHA512": lambda body: hashlib.sha512(body).digest(),
    "MD5": lambda body: hashlib.md5(body).digest(),
    "XXHASH64": lambda body: xxhash.xxh64(body).digest(),
    "XXHASH3": lambda body: xxhash.xxh3_64(body).digest(),
    "XXHASH128": lambda body: xxhash.xxh3_128(body).digest(),
}
"""Every member of ChecksumAlgorithm in S3's model."""


def _combine(model: str) -> Callable[[bytes, bytes, int], bytes]:
    combine = anycrc.Model(model).combine

    def combine_digests(first: bytes, second: bytes, length: int) -> bytes:
        both = combine(int.from_bytes(first, "big"), int.from_bytes(second, "big"), length)
        return int(both).to_bytes(len(first), "big")

    return combine_digests


COMBINE = {"CRC32": _combine("CRC32"), "CRC32C": _combine("CRC32C"), "CRC64NVME": _combine("CRC64-NVME")}
"""From the digests of two bodies and the second's length the digest of both."""


@dataclass(slots=True)
class Worked:
    """The digests of one body that were worked out before MiniStack asks for them."""

    body: bytes
    digests: dict[str, bytes] = field(default_factory=dict)


_worked: ContextVar[Worked | None] = ContextVar("worked", default=None)


@contextlib.contextmanager
def knowing(worked: Worked) -> Iterator[None]:
    """Answer for this body, within, from what is worked out already."""
    token = _worked.set(worked)
    try:
        yield
    finally:
        _worked.reset(token)


def digest(algorithm: str, body: bytes) -> bytes:
    """Returns the digest of a body. Raises KeyError for an algorithm that S3 does not list."""
    work, worked = DIGESTS[algorithm], _worked.get()
    if worked is None or worked.body is not body:
        return work(body)
    if algorithm not in worked.digests:
        worked.digests[algorithm] = work(body)
    return worked.digests[algorithm]


def work_out(body: bytes, headers: Headers) -> Worked:
    """Work out what a request with this body will ask for: its ETag, and the checksums that its headers name."""
    worked = Worked(body)
    wanted = {algorithm for algorithm in DIGESTS if f"x-amz-checksum-{algorithm.lower()}" in headers}
    wanted.add(headers.get("x-amz-sdk-checksum-algorithm", DEFAULT).upper())
    with knowing(worked):
        for algorithm in {"MD5", *wanted} & DIGESTS.keys():
            digest(algorithm, body)
    return worked


def checksum(algorithm: str, body: bytes) -> str | None:
    """Returns the checksum as S3 writes it, in base64; None for an algorithm that S3 does not list."""
    name = (algorithm or "").upper().replace("_", "")
    return base64.b64encode(digest(name, body)).decode() if name in DIGESTS else None


def type_of(value: str) -> str:
    """Returns the ChecksumType of a checksum: that of the parts' checksums ends with their number."""
    return "COMPOSITE" if "-" in value else "FULL_OBJECT"
