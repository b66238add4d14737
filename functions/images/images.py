"""Whether an uploaded object is an image that is accepted, and of what kind, by its first bytes."""

from __future__ import annotations

from functions.jobs.errors import ImageRejected

MAX_BYTES = 64 * 1024 * 1024
"""SageMaker takes up to 1 GB; no photo needs it, and the container holds the decoded pixels in memory."""

HEAD_BYTES = 64
"""A photo of a phone names its kind within these."""

JPEG = "image/jpeg"
FOR_MODELS = (JPEG, "image/png")
"""What models take; the other kinds that are accepted become JPEG."""

_ACCEPTED = {b"\xff\xd8\xff": JPEG, b"\x89PNG\r\n\x1a\n": "image/png"}
_OTHERS = {
    b"GIF8": "a GIF",
    b"BM": "a BMP",
    b"II*\x00": "a TIFF",
    b"MM\x00*": "a TIFF",
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip file",
    b"\x93NUMPY": "a NumPy array",
}
_BRANDS = {
    "image/avif": {b"avif", b"avis"},
    "image/heic": {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"},
}
_EXTENSIONS = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png"}


def check_size(name: str, size: int) -> None:
    """Raises ImageRejected for an empty or a too large file; `size` in bytes."""
    if size == 0:
        raise ImageRejected(f"the image '{name}' is empty (0 bytes)")
    if size > MAX_BYTES:
        raise ImageRejected(
            f"the image '{name}' has {size / 2**20:.1f} MiB; at most {MAX_BYTES // 2**20} MiB are accepted"
        )


def content_type(name: str, head: bytes) -> str:
    """Returns `image/jpeg`, `image/png`, `image/heic` or `image/avif`.

    By the first bytes or, where those are unknown, by the file name's ending.

    A damaged photo keeps its ending, and the model's own message about it says more than a refusal here.

    Raises:
        ImageRejected: it is something else.
    """
    for magic, kind in _ACCEPTED.items():
        if head.startswith(magic):
            return kind
    if kind_of_phones := _of_phones(head):
        return kind_of_phones
    other = _other_format(head)
    if other is None:
        for ending, kind in _EXTENSIONS.items():
            if name.lower().endswith(ending):
                return kind
    raise ImageRejected(f"'{name}' is {other or 'none of them'}; expected a JPEG, PNG, HEIC or AVIF image")


def _other_format(head: bytes) -> str | None:
    for magic, words in _OTHERS.items():
        if head.startswith(magic):
            return words
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "a WebP image"
    return None


def _of_phones(head: bytes) -> str | None:
    """Reads the brands of a file that begins with a box `ftyp`: the major one, its version, the compatible ones.

    ISO/IEC 23008-12, 10.2; AV1 Image File Format, 7. `mif1` is shared by both, so all brands are looked at.
    """
    if head[4:8] != b"ftyp":
        return None
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, min(int.from_bytes(head[:4]), len(head)), 4))}
    return next((kind for kind, known in _BRANDS.items() if brands & known), None)
