"""The forms of browser uploads (POST to a bucket): taken apart without copying a large file again and again.

MiniStack splits the body, and trims each piece by another copy, with the interpreter's lock held all the while. Here
it is given the form with a short word where the file is, and the file is cut out once.
"""

import re
from collections.abc import Callable
from contextvars import ContextVar

from local.ministack.bulk import LARGE

Field = tuple[str, str | None, dict[str, str], bytes]
"""Name, file name, headers, value."""

_BOUNDARY = re.compile(r'boundary=("?)([^";\s]+)\1', re.IGNORECASE)
_PIECE = 1024 * 1024
_parsed: ContextVar[tuple[bytes, list[Field]] | None] = ContextVar("parsed", default=None)


def install() -> None:
    """Take the place of MiniStack's parser."""
    from ministack.services import s3

    s3._parse_multipart_form = once(s3._parse_multipart_form)


def once(parse: Callable[[str, bytes], list[Field]]) -> Callable[[str, bytes], list[Field]]:
    """Makes a parser that looks at a large file once, however often one request asks for its fields."""

    def parse_once(content_type: str, body: bytes) -> list[Field]:
        parsed = _parsed.get()
        if parsed is None or parsed[0] is not body:
            parsed = body, _fields(parse, content_type, body)
            _parsed.set(parsed)
        return parsed[1]

    return parse_once


def _fields(parse: Callable[[str, bytes], list[Field]], content_type: str, body: bytes) -> list[Field]:
    boundary = _BOUNDARY.search(content_type)
    if boundary is None or len(body) < LARGE:
        return parse(content_type, body)
    short: list[bytes] = []
    files: dict[bytes, tuple[int, int]] = {}
    begun = 0
    for start, stop in _large_values(body, b"\r\n--" + boundary[2].encode()):
        word = f"file-{len(files)}-of-{len(body)}".encode()
        files[word] = (start, stop)
        short += [body[begun:start], word]
        begun = stop
    fields = parse(content_type, b"".join([*short, body[begun:]]))
    return [
        (name, filename, headers, cut(body, *files[value]) if value in files else value)
        for name, filename, headers, value in fields
    ]


def _large_values(body: bytes, boundary: bytes) -> list[tuple[int, int]]:
    """Returns where the values of many bytes stand in a form."""
    values, begun = [], 0
    while (stop := body.find(boundary, begun)) >= 0:
        start = body.find(b"\r\n\r\n", begun, stop) + 4
        if start >= 4 and stop - start >= LARGE:
            values.append((start, stop))
        begun = stop + len(boundary)
    return values


def cut(body: bytes, start: int, stop: int) -> bytes:
    """Copies `body[start:stop]` in small pieces and joins them: joining lets others go on, slicing does not."""
    return b"".join([body[place : min(stop, place + _PIECE)] for place in range(start, stop, _PIECE)])
