"""S3 for jobs: whole prefixes down into a folder, folders up under a prefix.

`client` is a boto3 S3 client throughout; of many objects none is begun once `closing` is set. Keys decide file names,
so a key that would leave the folder is refused.
"""

import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from local.sagemaker.wire.errors import StorageError

_PARALLEL = 8
_CHUNK = 1 << 20


def split(uri: str) -> tuple[str, str]:
    """Splits `s3://bucket/a/b` into `bucket` and `a/b`."""
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise StorageError(f"{uri!r} is not an S3 location (s3://bucket/key)")
    return bucket, key


def joined(uri: str, *parts: str) -> str:
    """Joins the parts with one slash between each two."""
    return "/".join([uri.rstrip("/"), *(part.strip("/") for part in parts)])


def targets(client: Any, bucket: str, prefix: str, folder: Path) -> list[tuple[str, Path]]:
    """Says what `prefix` names: keys, each with the file in `folder` that it becomes.

    An object of exactly that key is the one file it is. Otherwise it is everything under the folder `prefix/`, and if
    there is no such folder, everything whose key starts so. Folder markers (empty objects ending in /) are skipped.
    Raises StorageError where a key would leave the folder.
    """
    keys = [key for key in list_keys(client, bucket, prefix) if not key.endswith("/")]
    if prefix in keys:
        return [(prefix, inside(folder, PurePosixPath(prefix).name))]
    parent = prefix if prefix.endswith("/") or not prefix else prefix + "/"
    below = [key for key in keys if key.startswith(parent)]
    if below:
        return [(key, inside(folder, key[len(parent) :])) for key in below]
    start = prefix.rfind("/") + 1
    return [(key, inside(folder, key[start:])) for key in keys]


def inside(folder: Path, relative: str) -> Path:
    """Returns `folder/relative`. Raises StorageError where that is not strictly inside `folder`."""
    parts = [part for part in relative.split("/") if part not in ("", ".")]
    if not parts or ".." in parts or "\0" in relative:
        raise StorageError(f"the key {relative!r} would be written outside its folder")
    return folder.joinpath(*parts)


def list_keys(client: Any, bucket: str, prefix: str) -> Iterator[str]:
    """Yields keys in the order S3 lists them."""
    more: dict[str, str] = {}
    while True:
        try:
            page = client.list_objects_v2(Bucket=bucket, Prefix=prefix, **more)
        except (ClientError, BotoCoreError) as error:
            raise StorageError(f"cannot list s3://{bucket}/{prefix}: {error}") from error
        for entry in page.get("Contents", ()):
            yield entry["Key"]
        if not page.get("IsTruncated"):
            return
        more = {"ContinuationToken": page["NextContinuationToken"]}


def download(client: Any, bucket: str, key: str, target: Path) -> None:
    """Streams one object into `target`."""
    try:
        body = client.get_object(Bucket=bucket, Key=key)["Body"]
        with target.open("wb") as file:
            shutil.copyfileobj(body, file, _CHUNK)
    except (ClientError, BotoCoreError) as error:
        raise StorageError(f"cannot read s3://{bucket}/{key}: {error}") from error
    except OSError as error:
        raise StorageError(f"cannot write {target.name!r} of s3://{bucket}/{key}: {error}") from error


def download_object(client: Any, uri: str, target: Path) -> None:
    bucket, key = split(uri)
    download(client, bucket, key, target)


def upload_file(client: Any, path: Path, uri: str) -> None:
    bucket, key = split(uri)
    try:
        client.upload_file(str(path), bucket, key)
    except (ClientError, BotoCoreError, Boto3Error, OSError) as error:
        raise StorageError(f"cannot write {uri}: {error}") from error


def upload_folder(client: Any, folder: Path, uri: str, closing: threading.Event) -> int:
    """Uploads every regular file of `folder` to the same relative key under `uri`; returns how many there are.

    Links are followed only to files inside `folder`: a job must not be able to publish files of the host.
    """
    root = folder.resolve()
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and _within(root, path)]
    names = [path.relative_to(folder).as_posix() for path in files]
    together(
        [partial(upload_file, client, path, joined(uri, name)) for path, name in zip(files, names, strict=True)],
        closing,
    )
    return len(files)


def together(transfers: Sequence[Callable[[], object]], closing: threading.Event) -> None:
    """Raises the first failure; what has not begun by then never begins. So it is when `closing` is set."""

    def begin(transfer: Callable[[], object]) -> None:
        if closing.is_set():
            raise StorageError("the local cloud is being stopped")
        transfer()

    if not transfers:
        return
    with ThreadPoolExecutor(min(_PARALLEL, len(transfers))) as pool:
        try:
            for done in [pool.submit(begin, transfer) for transfer in transfers]:
                done.result()
        except BaseException:
            # The interpreter's exit waits for this pool: the rest would each have to fail by itself first.
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _within(root: Path, path: Path) -> bool:
    return path.resolve().is_relative_to(root)


def read_text(client: Any, uri: str) -> str:
    """Reads a small text object."""
    bucket, key = split(uri)
    try:
        body: bytes = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    except (ClientError, BotoCoreError) as error:
        raise StorageError(f"cannot read {uri}: {error}") from error
    return body.decode("utf-8", "replace")
