"""What an upload asks for, before anybody knows whether it is the first to ask: a kind of job, of which algorithm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, assert_never

from functions.catalogue import catalogue
from functions.catalogue.catalogue import Algorithm
from functions.chains import chains, crops
from functions.chains.chains import Chain, ChainIncomplete
from functions.jobs import ids, jobs
from functions.jobs.job import Kind
from functions.uploads import keys
from functions.uploads.events import Upload

if TYPE_CHECKING:
    from functions.aws.services import Services

MAX_PARAMETER = 1024
"""Characters of a pipeline parameter's value, which is what the URI of the dataset's copy becomes."""

FACE_STEPS = ["StartInference", "SplitResult"]


@dataclass(frozen=True, slots=True)
class Ignored:
    """It starts nothing, and nobody has to be told."""

    reason: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """A job of it cannot run, which its row says."""

    reason: str


@dataclass(frozen=True, slots=True)
class Accepted:
    algorithm: Algorithm


@dataclass(frozen=True, slots=True)
class Chained:
    """Accepted, by a chain of two endpoints."""

    algorithm: Algorithm
    chain: Chain


Verdict: TypeAlias = Ignored | Rejected | Accepted | Chained


@dataclass(frozen=True, slots=True)
class Plan:
    """What would become of an upload that nobody has claimed."""

    kind: Kind
    verdict: Verdict
    algorithm: Algorithm | None = None
    algorithm_name: str | None = None
    """Also where the catalogue has no such algorithm."""
    made_id: str | None = None
    """The job id in the key, if it has the form of one."""

    @property
    def steps(self) -> list[str]:
        """The steps that a job of it shows."""
        if self.algorithm is None:
            return []
        match self.kind:
            case Kind.FACE:
                return list(FACE_STEPS)
            case Kind.CHAIN:
                return list(crops.STEPS)
            case _:
                return list(self.algorithm.steps)


def plan(upload: Upload, services: Services) -> Plan:
    """Reads the key and the catalogue; nothing is written."""
    match keys.read(upload.key):
        case keys.Folder():
            return Plan(Kind.TRAINING, Ignored(f"'{upload.key}' is a folder marker, not an upload"))
        case keys.DatasetKey() as key:
            algorithm = catalogue.get(services, key.algorithm)
            verdict = _of_dataset(upload, key, algorithm, services)
            return Plan(Kind.TRAINING, verdict, algorithm, key.algorithm, key.job_id)
        case keys.ImageKey() as key:
            return _plan_image(upload, key, services)
        case keys.BatchKey() as key:
            algorithm = catalogue.get(services, key.algorithm)
            return Plan(Kind.BATCH, _of_batch(upload, key, algorithm, services), algorithm, key.algorithm)
        case keys.UnfitKey(kind, reason):
            return Plan(Kind(kind), Rejected(reason))
        case never:
            assert_never(never)


def unknown_algorithm(name: str) -> str:
    return f"the catalogue has no algorithm '{name}'"


def _of_dataset(upload: Upload, key: keys.DatasetKey, algorithm: Algorithm | None, services: Services) -> Verdict:
    if algorithm is None:
        return Rejected(unknown_algorithm(key.algorithm))
    if not algorithm.trainable:
        return Rejected(f"{algorithm.name} cannot be trained: its model comes ready-made")
    if not algorithm.starts_on_upload:
        return Ignored(f"{algorithm.name} is trained on its schedule, not when a file arrives")
    if keys.is_hyperparameters(upload.key):
        return Ignored(f"'{upload.key}' holds the hyperparameters of what is uploaded beside it")
    if not keys.matches(algorithm.pattern, key.filename):
        return Ignored(f"'{key.filename}' does not match '{algorithm.pattern}', which starts {algorithm.name}")
    if keys.is_marker(upload.key) and not key.in_dataset:
        return Rejected(f"the key '{upload.key}' does not fit {keys.DATASET_SHAPE}")
    return _readable(upload, algorithm, services)


def _of_batch(upload: Upload, key: keys.BatchKey, algorithm: Algorithm | None, services: Services) -> Verdict:
    if algorithm is None:
        return Rejected(unknown_algorithm(key.algorithm))
    if not algorithm.transforms_uploads:
        return Rejected(f"{algorithm.name} answers no batches: it has no transform without a training")
    if key.in_folder != keys.is_marker(upload.key):
        return Ignored(f"'{upload.key}' starts nothing: a folder does, when its {keys.MARKER} is there")
    return _readable(upload, algorithm, services)


def too_long(key: str, services: Services) -> str | None:
    """Returns why the copy of an upload cannot be a pipeline's input: its name makes the parameter too long."""
    uri = keys.input_uri(services.settings.artifacts_bucket, keys.run_folder("0" * ids.LENGTH), key)
    if len(uri) <= MAX_PARAMETER:
        return None
    return f"the file name is too long: its copy would be {len(uri)} characters away, a parameter holds {MAX_PARAMETER}"


def _readable(upload: Upload, algorithm: Algorithm, services: Services) -> Accepted | Rejected:
    """Accepts what a pipeline can read."""
    if problem := too_long(upload.key, services):
        return Rejected(problem)
    if upload.size == 0 and not keys.is_marker(upload.key):
        return Rejected(f"the file '{upload.key}' is empty (0 bytes)")
    return Accepted(algorithm)


def _plan_image(upload: Upload, key: keys.ImageKey, services: Services) -> Plan:
    """Plans a face, unless a chain was announced: an image's key tells its job, and the job its algorithm."""
    announced = jobs.get(services, key.job_id) if key.job_id else None
    if announced and announced.kind is Kind.CHAIN and announced.object == upload.object:
        name = str(announced.algorithm)
        algorithm = catalogue.get(services, name)
        return Plan(Kind.CHAIN, _of_chain(name, algorithm, services), algorithm, name, key.job_id)
    name = services.settings.face_algorithm
    algorithm = catalogue.get(services, name)
    return Plan(Kind.FACE, _of_face(name, algorithm), algorithm, name, key.job_id)


def _of_chain(name: str, algorithm: Algorithm | None, services: Services) -> Rejected | Chained:
    if algorithm is None:
        return Rejected(unknown_algorithm(name))
    try:
        return Chained(algorithm, chains.resolve(algorithm, services))
    except ChainIncomplete as error:
        return Rejected(str(error))


def _of_face(name: str, algorithm: Algorithm | None) -> Rejected | Accepted:
    if algorithm is None:
        return Rejected(unknown_algorithm(name))
    if not algorithm.inferable or algorithm.endpoint is None:
        return Rejected(f"{name} has no endpoint to send an image to")
    return Accepted(algorithm)
