"""A job's S3 inputs: what is refused, and how the rest is brought into its folder.

`source` is S3DataSource of a training job or S3Input of a processing job throughout: the members have the same names.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local.documents import Document, Json
from local.sagemaker.machine import fetching, storage
from local.sagemaker.machine.fetching import Fetched
from local.sagemaker.machine.machine import Machine
from local.sagemaker.wire.errors import StorageError, ValidationException, WorkFailed

_CHUNK = 1 << 20
_TYPES = ("S3Prefix", "ManifestFile", "AugmentedManifestFile")


@dataclass(frozen=True, slots=True)
class Share:
    """Which part of an input that is sharded by key one instance gets."""

    index: int = 0
    count: int = 1


def refuse(what: str) -> ValidationException:
    return ValidationException(f"{what} is not run by this local SageMaker.")


def check_source(source: Mapping[str, Json], where: str) -> None:
    """Raises ValidationException for what cannot be brought in."""
    kind = source.get("S3DataType", "S3Prefix")
    if kind not in _TYPES:
        raise refuse(f"S3DataType {kind} ({where})")
    if not str(source.get("S3Uri", "")).startswith("s3://"):
        raise ValidationException(f"The S3Uri of {where} is not an S3 location: {source.get('S3Uri')!r}")
    if kind == "AugmentedManifestFile" and not source.get("AttributeNames"):
        raise ValidationException(f"AttributeNames must be given for the AugmentedManifestFile of {where}.")


def bring(machine: Machine, source: Mapping[str, Json], folder: Path, share: Share, *, unpack: bool = False) -> None:
    """Brings the input into `folder`; `unpack` its gzip. Raises WorkFailed."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if source.get("S3DataType") == "AugmentedManifestFile":
            _fetch_augmented(machine, source, folder, share)
        else:
            fetching.fetch_objects(machine, _shared(objects(machine, source, folder), source, share), unpack)
    except WorkFailed as error:
        raise WorkFailed(f"Data download failed: {error}") from error


def objects(machine: Machine, source: Mapping[str, Json], folder: Path) -> list[Fetched]:
    """Lists what an S3Prefix or a ManifestFile names, in S3's order. Raises StorageError when that is nothing."""
    uri = str(source["S3Uri"])
    of_manifest = source.get("S3DataType") == "ManifestFile"
    return _of_manifest(machine, uri, folder) if of_manifest else fetching.objects(machine, uri, folder)


def _of_manifest(machine: Machine, uri: str, folder: Path) -> list[Fetched]:
    """Reads `[{"prefix": "s3://bucket/a/"}, "b/c.csv", ...]`: the object a/b/c.csv as the file b/c.csv."""
    try:
        entries = json.loads(storage.read_text(machine.s3, uri))
        prefix = entries[0]["prefix"]
        names = [str(name) for name in entries[1:]]
    except (ValueError, LookupError, TypeError) as error:
        raise StorageError(f"{uri} is not a manifest ([{{'prefix': 's3://...'}}, 'name', ...]): {error}") from error
    bucket, start = storage.split(prefix)
    return [Fetched(bucket, start + name, storage.inside(folder, name)) for name in names]


def _shared(named: Sequence[Fetched], source: Mapping[str, Json], share: Share) -> list[Fetched]:
    if source.get("S3DataDistributionType") != "ShardedByS3Key":
        return list(named)
    return list(named[share.index :: share.count])


def _fetch_augmented(machine: Machine, source: Mapping[str, Json], folder: Path, share: Share) -> None:
    """Fetches the manifest with its named attributes only; objects that a `-ref` attribute names go to files beside it.

    The value of such an attribute is then the file's path in the channel. (AWS streams the values one after the
    other through a pipe.)
    """
    uri = str(source["S3Uri"])
    lines = [line for line in storage.read_text(machine.s3, uri).splitlines() if line.strip()]
    referred: list[Fetched] = []
    kept: list[Document] = []
    for number, line in enumerate(_of_share(lines, source, share), start=1):
        record = _record(uri, line, source["AttributeNames"])
        for name in [name for name in record if name.endswith("-ref")]:
            bucket, key = storage.split(str(record[name]))
            path = f"{name}/{number}-{key.rsplit('/', 1)[-1]}"
            referred.append(Fetched(bucket, key, storage.inside(folder, path)))
            record[name] = path
        kept.append(record)
    fetching.fetch_objects(machine, referred)
    manifest = storage.inside(folder, uri.rsplit("/", 1)[1])
    manifest.write_text("".join(json.dumps(record) + "\n" for record in kept))


def _of_share(lines: list[str], source: Mapping[str, Json], share: Share) -> list[str]:
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


def place(ml: Path, local_path: str, where: str) -> Path:
    """Returns where a LocalPath of the container is on this machine, under `ml`. Raises ValidationException."""
    root = "/opt/ml/"
    parts = [part for part in local_path.removeprefix(root).split("/") if part]
    if not local_path.startswith(root) or not parts or ".." in parts:
        raise ValidationException(f"The LocalPath of {where} must be below /opt/ml: {local_path!r}")
    return ml.joinpath(*parts)
