"""A job's S3 inputs: what is refused, and how the rest is brought into its folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.sagemaker import archives, storage
from local.sagemaker.context import Context
from local.sagemaker.errors import ValidationException, WorkFailed


def refuse(what: str) -> ValidationException:
    return ValidationException(f"{what} is not run by this local SageMaker.")


def check_source(source: Mapping[str, Any], where: str) -> None:
    """`source` has S3DataSource's members. Raises ValidationException for what cannot be brought in."""
    if source.get("S3DataType", "S3Prefix") != "S3Prefix":
        raise refuse(f"S3DataType {source['S3DataType']} ({where})")
    if source.get("S3DataDistributionType", "FullyReplicated") != "FullyReplicated":
        raise refuse(f"S3DataDistributionType {source['S3DataDistributionType']} ({where})")
    if not str(source.get("S3Uri", "")).startswith("s3://"):
        raise ValidationException(f"The S3Uri of {where} is not an S3 location: {source.get('S3Uri')!r}")


def fetch(context: Context, uri: str, folder: Path) -> None:
    """Raises WorkFailed."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        storage.download_prefix(context.s3, uri, folder, context.jobs.closing)
    except WorkFailed as error:
        raise WorkFailed(f"Data download failed: {error}") from error


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
