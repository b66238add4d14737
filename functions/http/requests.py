"""What the HTTP API starts: uploads (a PENDING job, a presigned URL) and trainings (a PENDING job, an execution)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from functions.aws import presign, times
from functions.catalogue import catalogue
from functions.catalogue.catalogue import Algorithm
from functions.chains import chains
from functions.http import problems
from functions.http.problems import FieldError
from functions.images import images
from functions.jobs import ids, jobs
from functions.jobs.job import Job, Kind, Source, Status
from functions.training import datasets, earlier
from functions.training.datasets import Dataset
from functions.uploads import keys, plans

if TYPE_CHECKING:
    from datetime import datetime

    from functions.aws.services import Services


FORM_VARIABLE = "${filename}"
"""What S3 replaces in the key of a form by the name of the file that is sent."""

MAX_DATASET = 5 * 1024**3
"""Bytes: the most that S3 takes at once. More goes there in parts, without this API."""


@dataclass(frozen=True, slots=True)
class Form:
    """A POST that does what the PUT does, and is refused by S3 when the file is too long."""

    url: str
    fields: dict[str, str]
    max_bytes: int


@dataclass(frozen=True, slots=True)
class PreparedUpload:
    job: Job
    url: str
    headers: dict[str, str]
    """To send with the PUT."""
    form: Form


def prepare_dataset(
    algorithm: str,
    filename: str,
    content_type: str | None,
    services: Services,
    hyperparameters: Mapping[str, Any] | None = None,
) -> PreparedUpload:
    """Returns a PENDING training, and the URL whose PUT starts it.

    Raises:
        Problem: the algorithm is unknown or not trained by uploads, the file would not start it, or a hyperparameter is
            wrong.
    """
    known = _trainable(algorithm, services)
    check(known, hyperparameters or {})
    name = _safe(filename)
    if not known.starts_on_upload:
        raise problems.invalid("algorithm", f"{algorithm} is trained on its schedule, not when a file arrives")
    if not keys.matches(known.pattern, name):
        raise problems.invalid("filename", _mismatch(known, name))
    announced = _Announced(Kind.TRAINING, f"datasets/{algorithm}", algorithm, name, content_type)
    return _prepare(announced, services, hyperparameters)


def _mismatch(algorithm: Algorithm, name: str) -> str:
    if algorithm.pattern == keys.MARKER:
        return f"datasets of {algorithm.name} are folders that start at a file {keys.MARKER}: upload them to S3"
    return f"{algorithm.name} takes files that match '{algorithm.pattern}', found '{name}'"


def prepare_image(filename: str, content_type: str | None, services: Services) -> PreparedUpload:
    """Returns a PENDING face job, and the URL whose PUT starts it."""
    algorithm = services.settings.face_algorithm
    return _prepare(_Announced(Kind.FACE, "images", algorithm, _safe(filename), content_type), services)


def prepare_chain(algorithm: str, filename: str, content_type: str | None, services: Services) -> PreparedUpload:
    """Returns a PENDING job of a chain, and the URL whose PUT starts it.

    Raises:
        Problem: the algorithm is unknown or no chain.
    """
    known = _known(algorithm, services)
    if known.chain is None:
        raise problems.invalid("algorithm", chains.not_a_chain(algorithm))
    return _prepare(_Announced(Kind.CHAIN, "images", algorithm, _safe(filename), content_type), services)


@dataclass(frozen=True, slots=True)
class _Announced:
    """An upload that somebody is about to send."""

    kind: Kind
    folder: str
    algorithm: str
    filename: str
    content_type: str | None


def _prepare(
    announced: _Announced, services: Services, hyperparameters: Mapping[str, Any] | None = None
) -> PreparedUpload:
    now = services.now()
    job_id = ids.ulid(now)
    source = Source(services.settings.uploads_bucket, f"{announced.folder}/{job_id}/{announced.filename}", None)
    _fits_a_key(source.key)
    job = pending(job_id, announced.kind, announced.algorithm, source, now)
    job = replace(job, hyperparameters=hyperparameters or {})
    jobs.create(services, job)
    headers = {"Content-Type": announced.content_type} if announced.content_type else {}
    url = presign.put_url(services, source.key, announced.content_type)
    return PreparedUpload(job, url, headers, _form(announced, source.key, services))


def _form(announced: _Announced, key: str, services: Services) -> Form:
    max_bytes = MAX_DATASET if announced.kind is Kind.TRAINING else images.MAX_BYTES
    return Form(*presign.post_form(services, key, announced.content_type, max_bytes), max_bytes)


def pending(job_id: str, kind: Kind, algorithm: str, source: Source | None, now: datetime) -> Job:
    """Makes the record of a job that nobody works on yet."""
    return Job(job_id, kind, Status.PENDING, algorithm, source, times.iso(now), times.iso(now))


def _safe(filename: str) -> str:
    if FORM_VARIABLE in filename:
        raise problems.invalid("filename", f"expected no {FORM_VARIABLE}, which S3 replaces when a form is sent")
    try:
        return keys.safe_filename(filename)
    except keys.FilenameRejected as error:
        raise problems.invalid("filename", str(error)) from error


def _fits_a_key(key: str) -> None:
    if not keys.fits(key):
        raise problems.invalid("filename", keys.TOO_LONG)


def start_training(
    algorithm: str, key: str | None, hyperparameters: Mapping[str, Any], services: Services, *, inherit: bool = True
) -> Job:
    """Returns a PENDING training of an uploaded dataset (the newest, unless `key` names one), and its execution
    started.

    Of an algorithm whose model comes ready-made it is the deployment, which takes no dataset. The row is there before
    the execution, so whoever has the id can follow it at once. The execution's name is the job id. If it cannot be
    started the row says so.

    Raises:
        Problem: the algorithm, the key or a hyperparameter is wrong.
    """
    known = _startable(algorithm, services)
    check(known, hyperparameters)
    if not known.trainable and key is not None:
        raise problems.invalid("key", f"{algorithm} takes no dataset: its model comes ready-made")
    dataset = _dataset(known, key, services) if known.trainable else None
    now = services.now()
    kind = Kind.TRAINING if known.trainable else Kind.DEPLOYMENT
    job = pending(ids.ulid(now), kind, algorithm, dataset.source if dataset else None, now)
    job = replace(job, steps=known.steps, etag=dataset.etag if dataset else None)
    jobs.create(services, job)
    inherited = earlier.inherited(known, services) if inherit and key is None and known.trainable else {}
    start_execution(job, {"hyperparameters": dict(hyperparameters), "inherited": inherited, "reason": "api"}, services)
    return job


def check(algorithm: Algorithm, hyperparameters: Mapping[str, Any]) -> None:
    wrong = catalogue.check(algorithm, hyperparameters)
    if wrong:
        errors = [FieldError(f"hyperparameters.{name}", message) for name, message in wrong.items()]
        raise problems.several_invalid(errors)


def _startable(name: str, services: Services) -> Algorithm:
    """Returns an algorithm that can be trained, or whose ready-made model can be deployed, because somebody asks for
    it.
    """
    known = _known(name, services)
    return known if known.endpoint is not None else _to_train(known)


def start_execution(job: Job, asked: Mapping[str, Any], services: Services) -> None:
    """Starts the execution of `training` for a PENDING job."""
    run = {"algorithm": job.algorithm, "source": job.source.as_dict() if job.source else None, **asked}
    start_machine(services.settings.training_state_machine_arn, job, run, "training", services)


def start_machine(machine: str, job: Job, asked: Mapping[str, Any], what: str, services: Services) -> None:
    """Starts an execution for a PENDING job, named by its id; if that cannot be, the row says so."""
    request = {"job_id": job.job_id, **asked}
    try:
        services.stepfunctions.start_execution(stateMachineArn=machine, name=job.job_id, input=json.dumps(request))
    except ClientError:
        error = {"code": "ExecutionNotStarted", "message": f"the {what} could not be started; try again"}
        jobs.fail(services, job.job_id, "", error)
        raise


def _trainable(name: str, services: Services) -> Algorithm:
    return _to_train(_known(name, services))


def _to_train(algorithm: Algorithm) -> Algorithm:
    if not algorithm.trainable:
        raise problems.invalid("algorithm", f"{algorithm.name} cannot be trained: its model comes ready-made")
    return algorithm


def _known(name: str, services: Services) -> Algorithm:
    algorithm = catalogue.get(services, name)
    if algorithm is None:
        raise problems.invalid("algorithm", plans.unknown_algorithm(name))
    return algorithm


def _dataset(algorithm: Algorithm, key: str | None, services: Services) -> Dataset:
    if key is None:
        newest = datasets.newest(algorithm, services)
        if newest is None:
            raise problems.invalid("key", f"there is no dataset under datasets/{algorithm.name}/ yet")
        return newest
    if not keys.fits(key):
        raise problems.invalid("key", keys.TOO_LONG)
    if not datasets.starts_training(algorithm, key):
        raise problems.invalid("key", _unfit(algorithm))
    dataset = datasets.find(services.settings.uploads_bucket, key, services)
    if dataset is None:
        raise problems.invalid("key", f"there is no object '{key}' in the uploads bucket")
    return dataset


def _unfit(algorithm: Algorithm) -> str:
    shape = f"datasets/{algorithm.name}/<dataset>/"
    return f"expected a key under {shape} whose file name matches '{algorithm.pattern}'"
