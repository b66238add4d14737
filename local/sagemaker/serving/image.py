"""A model's container laid out for serving: its data below /opt/ml, its source, its environment, its command."""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from local.sagemaker.machine import archives, fetching, storage
from local.sagemaker.machine.environments import Environment, Progress
from local.sagemaker.machine.machine import Machine
from local.sagemaker.machine.processes import environment
from local.sagemaker.resources.models import Served
from local.sagemaker.wire.errors import ArchiveError, StorageError, WorkFailed

_SUBMIT = "SAGEMAKER_SUBMIT_DIRECTORY"
_CHANNELS = "additional-model-data-sources"


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything a serve process is started from, as often as it must be."""

    folder: Path
    environment: Environment
    argv: tuple[str, ...]
    variables: dict[str, str]


def prepare(machine: Machine, served: Served, folder: Path, progress: Progress) -> Prepared:
    """Fills `folder` for `served`; what an earlier run has filled is used again. Raises WorkFailed."""
    marker = folder / "served.json"
    wanted = json.dumps(asdict(served), sort_keys=True)
    if not marker.is_file() or marker.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "ml" / "model").mkdir(parents=True)
        _fetch_model(machine, served, folder)
        _fetch_source(machine, served, folder)
        for name, location in served.channels:
            _fetch_data(machine, location, folder / "ml" / _CHANNELS / name, folder)
        # Written last: a crash before this line makes the next start fetch everything again.
        marker.write_text(wanted)
    image = machine.environments.resolve(served.image)
    variables = dict(served.environment)
    extra = b""
    if image.folder is None:
        source = _source(folder, variables)
        if source is not None:
            extra = fetching.requirements(folder / "ml" / source)
            variables[_SUBMIT] = f"{environment.seen(machine, folder)}/{source}"
    built = machine.environments.ensure(served.image, extra, progress)
    return Prepared(folder, built, image.serve, variables)


def _source(folder: Path, variables: dict[str, str]) -> str | None:
    """Returns where script mode's code is, relative to /opt/ml."""
    if variables.get(_SUBMIT, "").startswith("s3://"):
        return "code"
    return "model/code" if (folder / "ml" / "model" / "code").is_dir() else None


def _fetch_model(machine: Machine, served: Served, folder: Path) -> None:
    if served.multi_model:
        (folder / "ml" / "models").mkdir()
    elif served.data is not None:
        _fetch_data(machine, served.data, folder / "ml" / "model", folder)


def _fetch_data(machine: Machine, location: str, target: Path, aside: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    if location.endswith("/"):
        fetching.fetch(machine, location, target)
        return
    fetch_archive(machine, location, target, aside / "model.tar.gz")


def fetch_archive(machine: Machine, location: str, target: Path, archive: Path) -> None:
    """Unpacks a model.tar.gz into `target`; `archive` is where it lies meanwhile. Raises WorkFailed."""
    try:
        storage.download_object(machine.s3, location, archive)
        archives.unpack(archive, target)
    except StorageError as error:
        raise WorkFailed(f"Could not find model data at {location}: {error}") from error
    except ArchiveError as error:
        raise WorkFailed(f"Failed to extract model data archive from {location}: {error}") from error
    finally:
        archive.unlink(missing_ok=True)


def _fetch_source(machine: Machine, served: Served, folder: Path) -> None:
    source = served.environment.get(_SUBMIT, "")
    if source.startswith("s3://"):
        fetching.fetch_source(machine, source, folder / "ml" / "code", folder / "sourcedir.tar.gz")
