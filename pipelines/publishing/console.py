"""The web console's files: `web/dist` -> `console/` of the artifacts bucket, index.html when all it loads is there.

Files of earlier versions stay, because a page that is open somewhere may still load them.
"""

import hashlib
import mimetypes
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from botocore.exceptions import ClientError

from pipelines.publishing.changes import Action, Change, Kind, Plan, Step, unchanged
from pipelines.publishing.publication import Publication, code_of, reading

_PREFIX: Final = "console/"
_PAGE: Final = "no-cache"
_NAMED_BY_CONTENT: Final = "public, max-age=31536000, immutable"
_OTHER: Final = "public, max-age=300"
_HASH: Final = "sha256"
"""The key of an object's metadata that holds the hash of its content."""
_READERS: Final = 8

# What a machine's own table of types says of these differs, or is nothing.
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}


@dataclass(frozen=True, slots=True)
class Page:
    """One file as it is served."""

    name: str
    path: Path
    sha256: str
    content_type: str
    cache_control: str

    @property
    def key(self) -> str:
        return f"{_PREFIX}{self.name}"


def pages(folder: Path) -> tuple[Page, ...]:
    """Returns the files of a folder; those that load others come after them, index.html last."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    served = [_page(path.relative_to(folder).as_posix(), path) for path in sorted(files)]
    return tuple(sorted(served, key=lambda page: (page.cache_control == _PAGE, page.name == "index.html")))


def plan_console(publication: Publication, folder: Path) -> Plan:
    """Plans what is to be uploaded."""
    files = pages(folder)
    with reading(publication.environment), ThreadPoolExecutor(_READERS) as pool:
        differences = pool.map(partial(_difference, publication), files)
        return Plan.of(_steps(publication, zip(files, differences, strict=True)))


def _steps(publication: Publication, looked_at: Iterator[tuple[Page, tuple[Action, str]]]) -> Iterator[Step]:
    for page, (action, detail) in looked_at:
        if action is Action.UNCHANGED:
            yield unchanged(Kind.CONSOLE, page.key)
        else:
            change = Change(Kind.CONSOLE, page.key, action, detail, page.path.stat().st_size)
            yield Step(change, partial(_put, publication, page))


def _difference(publication: Publication, page: Page) -> tuple[Action, str]:
    bucket = publication.environment.artifacts_bucket
    try:
        current = publication.clients.s3.head_object(Bucket=bucket, Key=page.key)
    except ClientError as error:
        if code_of(error) not in ("404", "NoSuchKey"):
            raise
        return Action.CREATE, ""
    differing = [
        what
        for what, before, after in (
            ("content", current.get("Metadata", {}).get(_HASH), page.sha256),
            ("content type", current.get("ContentType"), page.content_type),
            ("cache", current.get("CacheControl"), page.cache_control),
        )
        if before != after
    ]
    return (Action.UPDATE, ", ".join(differing)) if differing else (Action.UNCHANGED, "")


def _put(publication: Publication, page: Page) -> None:
    with page.path.open("rb") as body:
        publication.clients.s3.put_object(
            Bucket=publication.environment.artifacts_bucket,
            Key=page.key,
            Body=body,
            ContentType=page.content_type,
            CacheControl=page.cache_control,
            Metadata={_HASH: page.sha256},
        )


def _page(name: str, path: Path) -> Page:
    suffix = path.suffix.lower()
    guessed = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    content_type = _TYPES.get(suffix, guessed)
    return Page(name, path, hashlib.sha256(path.read_bytes()).hexdigest(), content_type, _cache_control(name, suffix))


def _cache_control(name: str, suffix: str) -> str:
    if suffix == ".html":
        return _PAGE
    # The build names what is under assets/ by its content.
    return _NAMED_BY_CONTENT if name.startswith("assets/") else _OTHER
