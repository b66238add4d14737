"""Putting files into the uploads bucket by a grant of the API, which names the job that comes of each."""

import mimetypes
from collections.abc import Iterable, Mapping
from pathlib import Path

from cli.api.client import Api
from cli.errors import CommandError, UsageError
from pipelines.documents import Json


def checked(file: Path) -> Path:
    """Returns a file that is there and holds something. Raises UsageError otherwise."""
    if not file.is_file():
        raise UsageError(f"{file}: no such file")
    if file.stat().st_size == 0:
        raise UsageError(f"{file}: the file is empty")
    return file


def put(api: Api, file: Path, request: Mapping[str, Json]) -> str:
    """Asks the API for a presigned upload, sends the file there, and returns the job id."""
    size = file.stat().st_size
    grant = api.post("/v1/uploads", dict(request))
    target = grant["upload"]
    with file.open("rb") as body:
        response = api.pool.request(
            target["method"],
            target["url"],
            body=body,
            headers={**target["headers"], "Content-Length": str(size)},
            retries=False,
        )
    if response.status >= 300:
        raise CommandError(f"{file}: the upload was answered with {response.status}")
    job_id: str = grant["job_id"]
    return job_id


def content_type(file: Path) -> str:
    """Returns the media type by the file's name."""
    return mimetypes.guess_type(file.name)[0] or "application/octet-stream"


def put_images(api: Api, images: Iterable[Path], asked: Mapping[str, str], title: str) -> dict[str, str]:
    """Uploads images with what is asked of each. Returns the titles of the jobs by their ids."""
    titles = {}
    for file in map(checked, images):
        request = {**asked, "filename": file.name, "content_type": content_type(file)}
        titles[put(api, file, request)] = f"{title} {file.name}"
    return titles
