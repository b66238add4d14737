"""An object's bytes, of which S3 reads no more than is asked for.

MiniStack reads the whole file for a few bytes of it, and answers the whole of a version when a part of it is asked for.
"""

import os
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from local.ministack.checksums import Answer

Query = Mapping[str, list[str]]
Reader = Callable[..., tuple[int, dict[str, str], Any]]
"""What answers an object's bytes, or the object that reads them."""


def install() -> None:
    """Stand between MiniStack's S3 and its files."""
    from ministack.services import s3

    s3._read_body = _unread(s3._read_body)
    s3._version_body = _unread_version(s3._version_body)
    s3._get_object = _reading_what_is_asked(_in_ranges(s3._get_object))
    s3._upload_part_copy = _reading_a_range(s3._upload_part_copy)


class Stored:
    """An object's bytes on disk, of which no more is read than is asked for."""

    def __init__(self, path: str) -> None:
        """Raises OSError where there is no such file."""
        self._file = Path(path).open("rb")  # noqa: SIM115 - closed with this
        self._size = os.fstat(self._file.fileno()).st_size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, span: slice) -> bytes:
        start, stop, _ = span.indices(self._size)
        self._file.seek(start)
        return self._file.read(max(0, stop - start))

    def close(self) -> None:
        self._file.close()


_opened: ContextVar[list[Stored] | None] = ContextVar("opened", default=None)


def _unread(read: Callable[..., bytes]) -> Callable[..., bytes | Stored]:
    def open_or_read(bucket: str, key: str, record: dict[str, Any]) -> bytes | Stored:
        from ministack.services import s3

        opened = _opened.get()
        if opened is None or record.get("body") is not None or not s3.S3_PERSIST:
            return read(bucket, key, record)
        try:
            opened.append(Stored(s3._object_disk_path(bucket, key)))
        except OSError:
            return read(bucket, key, record)
        return opened[-1]

    return open_or_read


def _unread_version(read: Callable[..., Any]) -> Callable[..., Any]:
    def open_or_read(bucket_record: Any, bucket: str, key: str, version: dict[str, Any]) -> Any:
        from ministack.services import s3

        opened = _opened.get()
        if opened is None or version.get("data") is not None or not s3.S3_PERSIST:
            return read(bucket_record, bucket, key, version)
        try:
            opened.append(Stored(s3._version_disk_path(bucket, key, version["version_id"])))
        except (OSError, TypeError):
            # It is the current one, whose file is the object's.
            return read(bucket_record, bucket, key, version)
        return opened[-1]

    return open_or_read


def _in_ranges(get: Reader) -> Reader:
    """MiniStack answers all of a version when a part of it is asked for, which spoils a download in ranges."""

    def get_range(bucket: str, key: str, headers: dict[str, str], query: Query) -> tuple[int, dict[str, str], Any]:
        from ministack.services import s3

        status, told, body = get(bucket, key, headers, query)
        if status != 200 or "range" not in headers:
            return status, told, body
        span, size = s3._parse_range(headers["range"], len(body)), len(body)
        if span is None:
            text, place = "The requested range is not satisfiable", {"Content-Range": f"bytes */{size}"}
            return s3._error("InvalidRange", text, 416, headers=place)  # type: ignore[no-any-return]
        start, stop = span
        kept = {name: value for name, value in told.items() if not name.startswith("x-amz-checksum-")}
        place = {"Content-Range": f"bytes {start}-{stop}/{size}", "Content-Length": str(stop + 1 - start)}
        return 206, {**kept, **place}, body[start : stop + 1]

    return get_range


def _reading_what_is_asked(get: Reader) -> Callable[..., Answer]:
    def get_what_is_asked(*args: Any) -> Answer:
        opened: list[Stored] = []
        token = _opened.set(opened)
        try:
            status, headers, body = get(*args)
            return status, headers, body[:] if isinstance(body, Stored) else body
        finally:
            _opened.reset(token)
            for stored in opened:
                stored.close()

    return get_what_is_asked


def _reading_a_range(copy: Callable[..., Answer]) -> Callable[..., Answer]:
    whole, part = copy, _reading_what_is_asked(copy)

    def copy_a_range(bucket: str, key: str, query: Query, headers: dict[str, str]) -> Answer:
        return (part if headers.get("x-amz-copy-source-range") else whole)(bucket, key, query, headers)

    return copy_a_range
