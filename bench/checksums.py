"""64 MiB to S3 with each checksum against CRC32, and how long a second client waits meanwhile, whatever S3 does."""

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import urllib3

from bench import clouds
from bench.measure import ROOT, Row, in_turn, milliseconds, ms, ratio
from local.ministack.digests import DIGESTS

_SIZE = 64 * 1024 * 1024
_ROUNDS = 5
_QUIET_SECONDS = 3.0
_AIM, _WAIT_AIM = "1.2x", "50 ms"


@dataclass(slots=True)
class Longest:
    """The longest wait of the second client."""

    milliseconds: float = field(default=0.0)


@contextmanager
def asking(endpoint: str) -> Iterator[Longest]:
    """A second client, a process of its own, that lists state machines as long as the block runs."""
    place, longest = urlsplit(endpoint), Longest()
    command = [sys.executable, "-m", "bench.programs.asking", str(place.hostname), str(place.port)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, text=True, **pipes) as process:  # type: ignore[call-overload]
        process.stdout.readline()
        try:
            yield longest
        finally:
            said, _ = process.communicate()
        longest.milliseconds = float(json.loads(said))


def operations(s3: Any, body: bytes) -> dict[str, Callable[[], object]]:
    """What moves 64 MiB, by name; each leaves the bucket ready for the next."""
    bucket = {"Bucket": "bench"}
    source = {"Bucket": "bench", "Key": "source"}
    s3.put_object(**source, Body=body)
    return {
        "PutObject, aws-chunked with a trailer": lambda: s3.put_object(**bucket, Key="put", Body=_Streamed(body)),
        "GetObject": lambda: s3.get_object(**source)["Body"].read(),
        "GetObject, 1 KiB of it": lambda: s3.get_object(**source, Range="bytes=1048576-1049599")["Body"].read(),
        "presigned PUT": lambda: _presigned_put(s3, body),
        "presigned POST": lambda: _presigned_post(s3, body),
        "CopyObject": lambda: s3.copy_object(**bucket, Key="copy", CopySource=source),
        "UploadPart and CompleteMultipartUpload": lambda: _in_parts(s3, lambda: {"Body": body}),
        "UploadPartCopy and CompleteMultipartUpload": lambda: _in_parts(s3, lambda: {"CopySource": source}),
    }


def _presigned_put(s3: Any, body: bytes) -> None:
    url = s3.generate_presigned_url("put_object", {"Bucket": "bench", "Key": "presigned"})
    urllib3.request("PUT", url, body=body, retries=False)


def _presigned_post(s3: Any, body: bytes) -> None:
    post = s3.generate_presigned_post("bench", "posted")
    fields = {**post["fields"], "file": ("file", body)}
    urllib3.request("POST", post["url"], fields=fields, retries=False)


class _Streamed:
    """A body whose length is known and whose bytes are read as they are sent, so that its checksum comes last."""

    def __init__(self, body: bytes) -> None:
        self._body, self._place = body, 0

    def __len__(self) -> int:
        return len(self._body)

    def read(self, size: int = -1) -> bytes:
        start, self._place = self._place, len(self._body) if size < 0 else min(len(self._body), self._place + size)
        return self._body[start : self._place]

    def seek(self, place: int, whence: int = 0) -> int:
        self._place = place + (0, self._place, len(self._body))[whence]
        return self._place

    def tell(self) -> int:
        return self._place


def _in_parts(s3: Any, part: Callable[[], dict[str, object]]) -> None:
    target = {"Bucket": "bench", "Key": "parts"}
    upload = {**target, "UploadId": s3.create_multipart_upload(**target, ChecksumAlgorithm="CRC32")["UploadId"]}
    parts = []
    for number in (1, 2):
        content = part()
        send = s3.upload_part_copy if "CopySource" in content else s3.upload_part
        answered = send(**upload, PartNumber=number, **content)
        answered = answered.get("CopyPartResult", answered)
        parts.append({"PartNumber": number, "ETag": answered["ETag"], "ChecksumCRC32": answered["ChecksumCRC32"]})
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})


def run() -> Iterator[Row]:
    """A row for each checksum, and one for each other operation."""
    body = os.urandom(_SIZE)
    with clouds.headrace() as ours:
        s3 = ours.client("s3")
        s3.create_bucket(Bucket="bench")
        with asking(ours.endpoint) as longest:
            time.sleep(_QUIET_SECONDS)
        yield Row(f"nothing else is asked; {_waits(longest)}", "")
        yield from _checksums(ours.endpoint, s3, body)
        for name, work in operations(s3, body).items():
            with asking(ours.endpoint) as longest:
                took = [milliseconds(work) for _ in range(_ROUNDS)]
            yield Row(f"64 MiB {name}; {_waits(longest)}", ms(took), aim=_WAIT_AIM)


def _checksums(endpoint: str, s3: Any, body: bytes) -> Iterator[Row]:
    def put(algorithm: str) -> Callable[[], float]:
        value = {f"Checksum{algorithm}": base64.b64encode(DIGESTS[algorithm](body)).decode()}
        return lambda: milliseconds(lambda: s3.put_object(Bucket="bench", Key="checked", Body=body, **value))

    put("CRC32")()
    for algorithm in DIGESTS:
        with asking(endpoint) as longest:
            mine, crc32 = in_turn(_ROUNDS, put(algorithm), put("CRC32"))
        what = f"64 MiB PutObject with {algorithm}; {_waits(longest)}"
        yield Row(what, ms(mine), f"CRC32 {ms(crc32)}", ratio(mine, crc32), f"{_AIM}, {_WAIT_AIM}")


def _waits(longest: Longest) -> str:
    return f"the second client waits at most {longest.milliseconds:.1f} ms"
