"""A job's S3 inputs: what is refused, and how the rest is brought into its folder.

`source` is S3DataSource of a training job or S3Input of a processing job throughout: the members have the same names.
"""

import gzip
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from local.documents import Document
from local.sagemaker.machine import archives, storage
from local.sagemaker.machine.machine import Context
from local.sagemaker.wire.errors import StorageError, ValidationException, WorkFailed

_CHUNK = 1 << 20
_TYPES = ("S3Prefix", "ManifestFile", "AugmentedManifestFile")


@dataclass(frozen=True, slots=True)
class Share:
    """Which part of an input that is sharded by key one instance gets."""

    index: int = 0
    count: int = 1


@dataclass(frozen=True, slots=True)
class Found:
    """One object of an input and the file it becomes."""

    bucket: str
    key: str
    file: Path


def refuse(what: str) -> ValidationException:
    return ValidationException(f"{what} is not run by this local SageMaker.")


def check_source(source: Mapping[str, Any], where: str) -> None:
    """Raises ValidationException for what cannot be brought in."""
    kind = source.get("S3DataType", "S3Prefix")
    if kind not in _TYPES:
        raise refuse(f"S3DataType {kind} ({where})")
    if not str(source.get("S3Uri", "")).startswith("s3://"):
        raise ValidationException(f"The S3Uri of {where} is not an S3 location: {source.get('S3Uri')!r}")
    if kind == "AugmentedManifestFile" and not source.get("AttributeNames"):
        raise ValidationException(f"AttributeNames must be given for the AugmentedManifestFile of {where}.")


def bring(
    context: Context, source: Mapping[str, Any], folder: Path, share: Share | None = None, *, unpack: bool = False
) -> None:
    """Bring the input into `folder`; `unpack` its gzip. Raises WorkFailed."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if source.get("S3DataType") == "AugmentedManifestFile":
            _fetch_augmented(context, source, folder, share or Share())
        else:
            _fetch_objects(context, _shared(objects(context, source, folder), source, share), unpack)
    except WorkFailed as error:
        raise WorkFailed(f"Data download failed: {error}") from error


def fetch(context: Context, uri: str, folder: Path) -> None:
    """What an S3 prefix names. Raises WorkFailed."""
    bring(context, {"S3Uri": uri}, folder)


def objects(context: Context, source: Mapping[str, Any], folder: Path) -> list[Found]:
    """What an S3Prefix or a ManifestFile names, in S3's order. Raises StorageError when that is nothing."""
    uri = str(source["S3Uri"])
    if source.get("S3DataType") == "ManifestFile":
        return _of_manifest(context, uri, folder)
    bucket, prefix = storage.split(uri)
    found = [Found(bucket, key, file) for key, file in storage.targets(context.s3, bucket, prefix, folder)]
    if not found:
        raise StorageError(f"No S3 objects found under S3 URL {uri!r}")
    return found


def _of_manifest(context: Context, uri: str, folder: Path) -> list[Found]:
    """`[{"prefix": "s3://bucket/a/"}, "b/c.csv", ...]`: the object a/b/c.csv as the file b/c.csv."""
    try:
        entries = json.loads(storage.read_text(context.s3, uri))
        prefix = entries[0]["prefix"]
        names = [str(name) for name in entries[1:]]
    except (ValueError, LookupError, TypeError) as error:
        raise StorageError(f"{uri} is not a manifest ([{{'prefix': 's3://...'}}, 'name', ...]): {error}") from error
    bucket, start = storage.split(prefix)
    return [Found(bucket, start + name, storage.inside(folder, name)) for name in names]


def _shared(found: Sequence[Found], source: Mapping[str, Any], share: Share | None) -> list[Found]:
    if share is None or source.get("S3DataDistributionType") != "ShardedByS3Key":
        return list(found)
    return list(found[share.index :: share.count])


def _fetch_objects(context: Context, found: Sequence[Found], unpack: bool) -> None:
    files = {one.file for one in found}
    for file in files:
        if any(parent in files for parent in file.parents):
            raise StorageError(f"a key is both an object and a folder of others: {file.name!r}")
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
    storage.together([partial(fetch_object, context, one, unpack) for one in found], context.jobs.closing)


def fetch_object(context: Context, one: Found, unpack: bool) -> Path:
    """Answers the file, which has lost its `.gz` when it was unpacked. Raises StorageError."""
    storage.download(context.s3, one.bucket, one.key, one.file)
    if not unpack:
        return one.file
    packed = one.file.rename(one.file.with_name(one.file.name + ".packed"))
    file = one.file.with_suffix("") if one.file.suffix == ".gz" else one.file
    try:
        with gzip.open(packed) as content, file.open("wb") as sink:
            shutil.copyfileobj(content, sink, _CHUNK)
    except (OSError, EOFError) as error:
        raise StorageError(f"s3://{one.bucket}/{one.key} is not gzip: {error}") from error
    packed.unlink()
    return file


def _fetch_augmented(context: Context, source: Mapping[str, Any], folder: Path, share: Share) -> None:
    """The manifest with its named attributes only; objects that a `-ref` attribute names become files beside it.

    The value of such an attribute is then the file's path in the channel. (AWS streams the values one after the
    other through a pipe.)
    """
    uri = str(source["S3Uri"])
    lines = [line for line in storage.read_text(context.s3, uri).splitlines() if line.strip()]
    found: list[Found] = []
    kept: list[Document] = []
    for number, line in enumerate(_of_share(lines, source, share), start=1):
        record = _record(uri, line, source["AttributeNames"])
        for name in [name for name in record if name.endswith("-ref")]:
            bucket, key = storage.split(str(record[name]))
            path = f"{name}/{number}-{key.rsplit('/', 1)[-1]}"
            found.append(Found(bucket, key, storage.inside(folder, path)))
            record[name] = path
        kept.append(record)
    _fetch_objects(context, found, unpack=False)
    manifest = storage.inside(folder, uri.rsplit("/", 1)[1])
    manifest.write_text("".join(json.dumps(record) + "\n" for record in kept))


def _of_share(lines: list[str], source: Mapping[str, Any], share: Share) -> list[str]:
    sharded = source.get("S3DataDistributionType") == "ShardedByS3Key"
    return lines[share.index :: share.count] if sharded else lines


def _record(uri: str, line: str, names: Sequence[str]) -> Document:
    try:
        record = json.loads(line)
        return {name: record[name] for name in names}
    except (ValueError, TypeError) as error:
        raise StorageError(f"{uri} is not an augmented manifest (JSON Lines): {error}") from error
    except KeyError as error:
        raise StorageError(f"{uri}: a line has no attribute {error}") from error


def fetch_if_any(context: Context, uri: str, folder: Path) -> None:
    """Everything under a prefix; nothing may be there. Raises WorkFailed."""
    bucket, prefix = storage.split(uri.rstrip("/") + "/")
    found = [Found(bucket, key, file) for key, file in storage.targets(context.s3, bucket, prefix, folder)]
    _fetch_objects(context, found, unpack=False)


def fetch_source(context: Context, uri: str, folder: Path, aside: Path) -> None:
    """A sourcedir.tar.gz of script mode, unpacked into `folder`. Raises WorkFailed."""
    try:
        storage.download_object(context.s3, uri, aside)
        archives.unpack(aside, folder)
    except WorkFailed as error:
        raise WorkFailed(f"the source {uri} cannot be used: {error}") from error
    finally:
        aside.unlink(missing_ok=True)


def requirements(folder: Path) -> bytes:
    """The source's own requirements.txt; empty where it has none."""
    file = folder / "requirements.txt"
    return file.read_bytes() if file.is_file() else b""


def place(ml: Path, local_path: str, where: str) -> Path:
    """Where a LocalPath of the container is on this machine, under `ml`. Raises ValidationException."""
    root = "/opt/ml/"
    parts = [part for part in local_path.removeprefix(root).split("/") if part]
    if not local_path.startswith(root) or not parts or ".." in parts:
        raise ValidationException(f"The LocalPath of {where} must be below /opt/ml: {local_path!r}")
    return ml.joinpath(*parts)
