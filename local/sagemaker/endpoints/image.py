"""A model laid out for serving: its data under /opt/ml/model, its source, its environment, its command."""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from local.sagemaker import archives, storage
from local.sagemaker.context import Context
from local.sagemaker.environments import Environment, Image, Progress
from local.sagemaker.errors import ArchiveError, StorageError, WorkFailed
from local.sagemaker.jobs import inputs
from local.sagemaker.models import Served
from local.sagemaker.processes import environment

_TOOLKIT = Path(__file__).parents[1] / "toolkit" / "serve.py"
_SUBMIT = "SAGEMAKER_SUBMIT_DIRECTORY"


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything a serve process is started from, as often as it must be."""

    folder: Path
    environment: Environment
    argv: tuple[str, ...]
    variables: dict[str, str]


def prepare(context: Context, served: Served, folder: Path, progress: Progress) -> Prepared:
    """Fill `folder` for `served`; what an earlier run has filled is used again. Raises WorkFailed."""
    marker = folder / "served.json"
    wanted = json.dumps(asdict(served), sort_keys=True)
    if not marker.is_file() or marker.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "ml" / "model").mkdir(parents=True)
        _fetch_model(context, served, folder)
        _fetch_source(context, served, folder)
        # Written last: a crash before this line makes the next start fetch everything again.
        marker.write_text(wanted)
    image = context.environments.resolve(served.image)
    variables = dict(served.environment)
    extra = b""
    if image.folder is None:
        source = _source(folder, variables)
        if source is not None:
            extra = inputs.requirements(folder / "ml" / source)
            variables[_SUBMIT] = f"{environment.seen(context, folder)}/{source}"
    built = context.environments.ensure(served.image, extra, progress)
    return Prepared(folder, built, _argv(image), variables)


def _argv(image: Image) -> tuple[str, ...]:
    return ("serve",) if image.folder is not None else ("python", "-P", str(_TOOLKIT))


def _source(folder: Path, variables: dict[str, str]) -> str | None:
    """Where script mode's code is, relative to /opt/ml."""
    if variables.get(_SUBMIT, "").startswith("s3://"):
        return "code"
    return "model/code" if (folder / "ml" / "model" / "code").is_dir() else None


def _fetch_model(context: Context, served: Served, folder: Path) -> None:
    if served.data is None:
        return
    model = folder / "ml" / "model"
    if served.data.endswith("/"):
        inputs.fetch(context, served.data, model)
        return
    archive = folder / "model.tar.gz"
    try:
        storage.download_object(context.s3, served.data, archive)
        archives.unpack(archive, model)
    except StorageError as error:
        raise WorkFailed(f"Could not find model data at {served.data}: {error}") from error
    except ArchiveError as error:
        raise WorkFailed(f"Failed to extract model data archive from {served.data}: {error}") from error
    finally:
        archive.unlink(missing_ok=True)


def _fetch_source(context: Context, served: Served, folder: Path) -> None:
    source = served.environment.get(_SUBMIT, "")
    if source.startswith("s3://"):
        inputs.fetch_source(context, source, folder / "ml" / "code", folder / "sourcedir.tar.gz")
