"""The parts of multipart uploads on disk: MiniStack keeps them in memory until the upload is complete.

One folder for each upload: its description, and a file for each part whose first line describes it.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

_DESCRIPTION = "upload"


class Uploads:
    """Uploads that are not complete. `kept` tells whether a completed object is on disk."""

    def __init__(self, folder: Path, kept: Callable[[str, str], bool]) -> None:
        self._folder, self._kept = folder, kept

    def install(self) -> None:
        """Write what begins, what comes and what ends. The wrapped functions raise OSError where that fails."""
        from ministack.services import s3

        begin = s3._create_multipart_upload

        def begin_and_write(*args: Any) -> Any:
            status, headers, body = begin(*args)
            if status == 200:
                (account, upload_id), upload = list(s3._multipart_uploads._data.items())[-1]
                description = {"account": account, **{name: upload[name] for name in upload if name != "parts"}}
                self._write(upload_id, _DESCRIPTION, description, b"")
            return status, headers, body

        s3._create_multipart_upload = begin_and_write
        s3._upload_part = self._then(s3._upload_part, self._write_part)
        s3._upload_part_copy = self._then(s3._upload_part_copy, self._write_part)
        s3._complete_multipart_upload = self._then(s3._complete_multipart_upload, self._end)
        s3._abort_multipart_upload = self._then(s3._abort_multipart_upload, self._end)

    def load(self) -> None:
        """Give MiniStack the uploads that an earlier run had begun."""
        from ministack.services import s3

        for place in sorted(self._folder.iterdir()) if self._folder.is_dir() else ():
            if not (place / _DESCRIPTION).is_file():
                shutil.rmtree(place)
                continue
            upload, _ = _read(place / _DESCRIPTION)
            account, upload["parts"] = upload.pop("account"), {}
            for path in place.iterdir():
                if path.name.isdecimal():
                    part, body = _read(path)
                    upload["parts"][int(path.name)] = {**part, "body": body}
            s3._multipart_uploads._data[account, place.name] = upload

    def _then(self, change: Callable[..., Any], follow: Callable[[str, int], None]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            status, headers, body = change(*args)
            if status < 300:
                query = next(arg for arg in args if isinstance(arg, dict) and "uploadId" in arg)
                follow(query["uploadId"][0], int(query.get("partNumber", ["1"])[0]))
            return status, headers, body

        return call

    def _write_part(self, upload_id: str, number: int) -> None:
        from ministack.services import s3

        part = s3._multipart_uploads[upload_id]["parts"][number]
        self._write(upload_id, str(number), {name: part[name] for name in part if name != "body"}, part["body"])

    def _write(self, upload_id: str, name: str, description: dict[str, Any], body: bytes) -> None:
        place = self._folder / upload_id
        place.mkdir(parents=True, exist_ok=True)
        new = place / f"{name}.tmp"
        try:
            with new.open("wb") as file:
                file.write(json.dumps(description).encode() + b"\n")
                file.write(body)
            new.replace(place / name)
        except OSError:
            new.unlink(missing_ok=True)
            raise

    def _end(self, upload_id: str, _: int) -> None:
        from ministack.services import s3

        place = self._folder / upload_id
        if upload_id in s3._multipart_uploads or not place.is_dir():
            return
        upload, _body = _read(place / _DESCRIPTION)
        # An object that is in memory only yet has its parts to fall back on.
        if self._kept(upload["bucket"], upload["key"]):
            shutil.rmtree(place)


def _read(path: Path) -> tuple[dict[str, Any], bytes]:
    head, _, body = path.read_bytes().partition(b"\n")
    return json.loads(head), body
