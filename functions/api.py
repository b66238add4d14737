"""The HTTP API: upload, follow, fetch. One route a function; each parses, calls one function, answers.

`GET /v1/openapi.json` describes it. Errors are application/problem+json; times are ISO 8601 in UTC.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote, unquote

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import (
    RequestUnsupportedContentType,
    RequestValidationError,
)
from aws_lambda_powertools.event_handler.openapi.params import Header, Path, Query

from functions.aws import presign, services
from functions.aws.log import about, logger
from functions.catalogue import catalogue
from functions.http import algorithm as algorithm_models
from functions.http import bodies, models, openapi, problems, reading, registry, requests, reruns, strictness
from functions.http.openapi import OF_A_MODEL, OF_AN_ENDPOINT, OF_ONE_THING, WITH_A_BODY, WITH_A_FILE
from functions.http.problems import Problem
from functions.http.requests import PreparedUpload
from functions.jobs import ids, jobs, listing
from functions.jobs.failure import Failure
from functions.jobs.job import Job, Kind, Status
from functions.uploads import keys, ledger
from functions.waiting import stopping

RETRY_AFTER_SECONDS = 2

MAX_EVENTS = 20
"""Deliveries told with the jobs of one object."""

MAX_COMPARED = 20

app = APIGatewayHttpResolver(enable_validation=True, json_body_deserializer=bodies.parse)


app.use(middlewares=[strictness.refuse_what_no_route_knows])

_DESCRIPTION = "Upload, follow, fetch."
_PUT_HEADERS = {
    "Location": "good for minutes",
    "X-Headrace-Job-Id": "the job",
    "X-Headrace-Status-Url": "the job's URL",
}
_JOB_HEADERS = {"ETag": "of this answer", "Retry-After": "seconds; only while the job is not final"}


def _json(status: HTTPStatus, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response[Any]:
    text = json.dumps(body, ensure_ascii=False)
    return Response(status.value, "application/json; charset=utf-8", text, headers=dict(headers or {}))


def _redirect(url: str, headers: Mapping[str, str] | None = None) -> Response[Any]:
    """307: the client repeats its method and body at `url`, which is good for minutes and therefore never stored."""
    fields = {"Location": url, "Cache-Control": "no-store", **(headers or {})}
    return Response(HTTPStatus.TEMPORARY_REDIRECT.value, None, "", headers=fields)


def _base_url() -> str:
    """Returns the address under which this API was asked, without a slash at its end."""
    configured = services.current().settings.api_base_url
    if configured:
        return configured.rstrip("/")
    event = app.current_event
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    domain = str(event["requestContext"].get("domainName") or "localhost")
    host = headers.get("host", "")
    # The Host header only to learn the port: what a client may write there must not become a link.
    authority = host if host.startswith(f"{domain}:") and host[len(domain) + 1 :].isdigit() else domain
    stage = str(event["requestContext"].get("stage") or "$default")
    scheme = "http" if headers.get("x-forwarded-proto") == "http" else "https"
    return f"{scheme}://{authority}" + ("" if stage == "$default" else f"/{stage}")


def _status_url(job_id: str) -> str:
    return f"{_base_url()}/v1/jobs/{job_id}"


def _accepted(job: Job, more: Mapping[str, Any] | None = None) -> Response[Any]:
    """202: a job does it, and tells how it goes."""
    url = _status_url(job.job_id)
    return _json(HTTPStatus.ACCEPTED, {**(more or {}), "job_id": job.job_id, "status_url": url}, {"Location": url})


@app.post(
    "/v1/uploads",
    summary="Announce a file and get a URL to PUT it to",
    operation_id="create_upload",
    tags=["uploads"],
    responses=openapi.answers(
        {201: openapi.answer("The job, and where its file goes", models.UploadAnswer, {"Location": "the job"})},
        *WITH_A_BODY,
    ),
)
def create_upload(body: models.UploadRequest) -> Response[Any]:
    prepared = _prepare(body)
    about(prepared.job.job_id)
    url = _status_url(prepared.job.job_id)
    upload = {
        "job_id": prepared.job.job_id,
        "upload": {"method": "PUT", "url": prepared.url, "headers": prepared.headers},
        "form": {"method": "POST", **asdict(prepared.form)},
        "status_url": url,
    }
    return _json(HTTPStatus.CREATED, upload, {"Location": url})


def _prepare(body: models.UploadRequest) -> PreparedUpload:
    here = services.current()
    if body.kind != "face" and body.algorithm is None:
        raise problems.invalid("algorithm", f"a {body.kind} needs an algorithm")
    if body.kind == "training":
        name, hyperparameters = str(body.algorithm), body.hyperparameters
        return requests.prepare_dataset(name, body.filename, body.content_type, here, hyperparameters)
    if body.hyperparameters:
        raise problems.invalid("hyperparameters", f"expected none, as a {body.kind} trains nothing")
    if body.kind == "chain":
        return requests.prepare_chain(str(body.algorithm), body.filename, body.content_type, here)
    if body.algorithm not in {None, here.settings.face_algorithm}:
        raise problems.invalid("algorithm", f"faces are processed by {here.settings.face_algorithm}")
    return requests.prepare_image(body.filename, body.content_type, here)


@app.put(
    "/v1/images/<filename>",
    summary="Upload a photo: redirects to where the same PUT stores it",
    operation_id="put_image",
    tags=["uploads"],
    responses=openapi.answers({307: openapi.answer("Repeat the PUT at Location", headers=_PUT_HEADERS)}, *WITH_A_FILE),
    openapi_extensions=openapi.PHOTO,
)
def put_image(filename: Annotated[str, Path()]) -> Response[Any]:
    prepared = requests.prepare_image(unquote(filename), None, services.current())
    about(prepared.job.job_id)
    job_id = prepared.job.job_id
    return _redirect(prepared.url, {"X-Headrace-Job-Id": job_id, "X-Headrace-Status-Url": _status_url(job_id)})


@app.get(
    "/v1/jobs/<job_id>",
    summary="A job, with its progress",
    operation_id="get_job",
    tags=["jobs"],
    responses=openapi.answers(
        {
            200: openapi.answer("The job", models.Job, _JOB_HEADERS),
            304: openapi.answer("Unchanged since the ETag in If-None-Match", headers=_JOB_HEADERS),
        },
        *OF_ONE_THING,
    ),
)
def get_job(
    job_id: Annotated[str, Path()], if_none_match: Annotated[str | None, Header(alias="If-None-Match")] = None
) -> Response[Any]:
    job = _job(job_id)
    body = json.dumps(job.as_status(_base_url()), ensure_ascii=False)
    etag = f'"{hashlib.sha256(body.encode()).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if not job.status.final:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if _matches(if_none_match, etag):
        return Response(HTTPStatus.NOT_MODIFIED.value, None, "", headers=headers)
    return Response(HTTPStatus.OK.value, "application/json; charset=utf-8", body, headers=headers)


@app.post(
    "/v1/jobs/<job_id>/stop",
    summary="Stop a job, all the way down: its execution, its pipeline, its step's job, what it deployed",
    operation_id="stop_job",
    tags=["jobs"],
    responses=openapi.answers(
        {
            202: openapi.answer("The job, STOPPED; what ran for it is ending", models.Job),
            409: openapi.conflict("The job has ended already"),
        },
        *OF_ONE_THING,
    ),
)
def stop_job(job_id: Annotated[str, Path()]) -> Response[Any]:
    job = _job(job_id)
    reason = Failure("JobStopped", "the job was stopped by request")
    if job.status in {Status.SUCCESS, Status.FAILURE} or not stopping.stop(job, reason, services.current()):
        raise problems.conflict(f"the job {job.job_id} has ended already: it is {_job(job_id).status.value}")
    return _json(HTTPStatus.ACCEPTED, _job(job_id).as_status(_base_url()))


@app.post(
    "/v1/jobs/<job_id>/rerun",
    summary="Run a finished training, batch or deployment again: same input, hyperparameters and pipeline",
    operation_id="rerun_job",
    tags=["jobs"],
    responses=openapi.answers(
        {
            202: openapi.answer("Started, as a job of its own", models.TrainingAnswer, {"Location": "the new job"}),
            409: openapi.conflict("The job still runs, or what it was run with is no longer there"),
        },
        *OF_ONE_THING,
        *WITH_A_BODY,
    ),
)
def rerun_job(job_id: Annotated[str, Path()], body: models.RerunRequest) -> Response[Any]:
    again = reruns.start(_job(job_id), body.hyperparameters, body.from_step, services.current())
    return _accepted(again)


@app.get(
    "/v1/jobs/<job_id>/logs",
    summary="What a step's job wrote: of the failed step, else of the latest, unless one is named",
    operation_id="get_logs",
    tags=["jobs"],
    responses=openapi.answers({200: openapi.answer("One page", models.LogPage)}, *OF_ONE_THING),
)
def get_logs(
    job_id: Annotated[str, Path()],
    step: Annotated[str | None, Query(min_length=1, max_length=64)] = None,
    after: Annotated[str | None, Query(min_length=1, max_length=32)] = None,
) -> Response[Any]:
    page = reading.logs(_job(job_id), step, after, services.current())
    return _json(HTTPStatus.OK, page, {"Cache-Control": "no-cache"})


@app.get(
    "/v1/jobs/<job_id>/lineage",
    summary="What came of what: upload, event, execution, pipeline, package, endpoint, results",
    operation_id="get_lineage",
    tags=["jobs"],
    responses=openapi.answers({200: openapi.answer("The lineage", models.Lineage)}, *OF_ONE_THING),
)
def get_lineage(job_id: Annotated[str, Path()]) -> Response[Any]:
    return _json(HTTPStatus.OK, reading.lineage(_job(job_id), _base_url(), services.current()))


@app.get(
    "/v1/comparison",
    summary="What differs between jobs, metrics first",
    operation_id="compare_jobs",
    tags=["jobs"],
    responses=openapi.answers({200: openapi.answer("The differences", models.Comparison)}, *OF_ONE_THING),
)
def compare_jobs(jobs: Annotated[str, Query(min_length=1, max_length=600)]) -> Response[Any]:
    names = [name.strip() for name in jobs.split(",")]
    if not 2 <= len(names) <= MAX_COMPARED:
        raise problems.invalid("jobs", f"expected 2 to {MAX_COMPARED} ids, separated by commas")
    return _json(HTTPStatus.OK, reading.comparison([_job(name) for name in names]))


def _matches(if_none_match: str | None, etag: str) -> bool:
    """RFC 9110, 13.1.2: a list of tags compared weakly, or a star."""
    tags = [tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")]
    return etag in tags or "*" in tags


def _job(text: str) -> Job:
    job_id = unquote(text)
    job = None
    # What has not the form of an id is no id; DynamoDB would refuse the longest of it as a key.
    if ids.is_job_id(job_id):
        about(job_id)
        job = jobs.get(services.current(), job_id)
    if job is None:
        raise problems.not_found(f"the job '{problems.shown(job_id)}'")
    return job


@app.get(
    "/v1/jobs",
    summary="Jobs, newest first; with key, those of one uploaded object and the deliveries of its events",
    operation_id="list_jobs",
    tags=["jobs"],
    responses=openapi.answers({200: openapi.answer("One page of jobs", models.JobList)}),
)
def list_jobs(
    kind: Annotated[Kind | None, Query()] = None,
    status: Annotated[Status | None, Query()] = None,
    key: Annotated[str | None, Query(min_length=1, max_length=1024)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(min_length=1, max_length=200)] = None,
) -> Response[Any]:
    if key is not None and not keys.fits(key):
        raise problems.invalid("key", keys.TOO_LONG)
    try:
        page = listing.find(listing.Query(kind, status, key, limit, cursor), services.current())
    except listing.CursorInvalid as error:
        raise problems.invalid("cursor", str(error)) from error
    base = _base_url()
    body: dict[str, Any] = {"jobs": [job.as_status(base) for job in page.jobs], "cursor": page.cursor}
    if key is not None:
        # An object that started nothing has no job: only its deliveries tell that it was seen, and why nothing came.
        here = services.current()
        deliveries = ledger.newest(here, f"{here.settings.uploads_bucket}/{key}", MAX_EVENTS)
        body["events"] = [delivery.as_event() for delivery in deliveries]
    return _json(HTTPStatus.OK, body, {"Cache-Control": "no-cache"})


@app.get(
    "/v1/jobs/<job_id>/events",
    summary="Every delivery of the job's upload, and what was decided",
    operation_id="list_events",
    tags=["jobs"],
    responses=openapi.answers({200: openapi.answer("The deliveries", models.DeliveryList)}, *OF_ONE_THING),
)
def list_events(job_id: Annotated[str, Path()]) -> Response[Any]:
    job = _job(job_id)
    deliveries = ledger.deliveries(services.current(), job.object) if job.object else []
    events = [delivery.as_event() for delivery in deliveries if delivery.job_id in {job.job_id, None}]
    return _json(HTTPStatus.OK, {"events": events}, {"Cache-Control": "no-cache"})


@app.get(
    "/v1/jobs/<job_id>/results/<index>",
    summary="One result image",
    operation_id="get_result",
    tags=["jobs"],
    responses=openapi.answers(
        {307: openapi.answer("The image is at Location", headers={"Location": "good for minutes"})}, *OF_ONE_THING
    ),
)
def get_result(job_id: Annotated[str, Path()], index: Annotated[int, Path(ge=0)]) -> Response[Any]:
    job = _job(job_id)
    image = next((result for result in job.results if result["index"] == index), None)
    if image is None:
        raise problems.not_found(f"result {index} of the job {job.job_id}")
    return _redirect(presign.get_url(services.current(), image["key"]))


@app.get(
    "/v1/algorithms",
    summary="The catalogue",
    operation_id="list_algorithms",
    tags=["algorithms"],
    responses=openapi.answers({200: openapi.answer("All published algorithms", algorithm_models.AlgorithmList)}),
)
def list_algorithms() -> Response[Any]:
    algorithms = sorted(catalogue.everything(services.current()), key=lambda algorithm: algorithm.name)
    return _json(HTTPStatus.OK, {"algorithms": [dict(algorithm.spec) for algorithm in algorithms]})


@app.get(
    "/v1/algorithms/<name>",
    summary="One algorithm",
    operation_id="get_algorithm",
    tags=["algorithms"],
    responses=openapi.answers(
        {200: openapi.answer("The published algorithm", algorithm_models.Algorithm)}, *OF_ONE_THING
    ),
)
def get_algorithm(name: Annotated[str, Path()]) -> Response[Any]:
    name = unquote(name)
    algorithm = catalogue.get(services.current(), name) if len(name) <= catalogue.MAX_NAME else None
    if algorithm is None:
        raise problems.not_found(f"the algorithm '{problems.shown(name)}'")
    return _json(HTTPStatus.OK, algorithm.spec)


@app.post(
    "/v1/trainings",
    summary="Train on a dataset that is uploaded already",
    operation_id="create_training",
    tags=["trainings"],
    responses=openapi.answers(
        {202: openapi.answer("Started", models.TrainingAnswer, {"Location": "the job"})}, *WITH_A_BODY
    ),
)
def create_training(body: models.TrainingRequest) -> Response[Any]:
    here = services.current()
    job = requests.start_training(body.algorithm, body.key, body.hyperparameters, here, inherit=body.inherit)
    about(job.job_id)
    return _accepted(job)


@app.get(
    "/v1/models",
    summary="Registered models, the newest of each algorithm first",
    operation_id="list_models",
    tags=["models"],
    responses=openapi.answers({200: openapi.answer("The models", models.ModelList)}),
)
def list_models(
    algorithm: Annotated[str | None, Query(min_length=1, max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Response[Any]:
    every = list(registry.models(algorithm, limit, services.current()))
    return _json(HTTPStatus.OK, {"models": every}, {"Cache-Control": "no-cache"})


@app.post(
    "/v1/models/<model_id>/approval",
    summary="Approve a model, which deploys it, or reject it, which takes it back",
    operation_id="decide_model",
    tags=["models"],
    responses=openapi.answers(
        {
            200: openapi.answer("Decided; nothing has to change", models.ApprovalAnswer),
            202: openapi.answer("Decided, and the job that acts on it", models.ApprovalAnswer, {"Location": "the job"}),
        },
        *OF_ONE_THING,
        *WITH_A_BODY,
    ),
)
def decide_model(model_id: Annotated[str, Path()], body: models.ApprovalRequest) -> Response[Any]:
    name = unquote(model_id)
    job = registry.decide(name, body.status, body.reason, services.current())
    decided = {"model": name, "status": body.status}
    if job is None:
        return _json(HTTPStatus.OK, {**decided, "job_id": None, "status_url": None})
    about(job.job_id)
    return _accepted(job, decided)


@app.get(
    "/v1/endpoints",
    summary="Endpoints, and which model each serves",
    operation_id="list_endpoints",
    tags=["endpoints"],
    responses=openapi.answers({200: openapi.answer("The endpoints", models.EndpointList)}),
)
def list_endpoints() -> Response[Any]:
    every = list(registry.all_endpoints(services.current()))
    return _json(HTTPStatus.OK, {"endpoints": every}, {"Cache-Control": "no-cache"})


@app.post(
    "/v1/endpoints/<name>/invocations",
    summary="Ask a model, by its endpoint's name or its algorithm's",
    operation_id="invoke_endpoint",
    tags=["endpoints"],
    responses=openapi.answers({200: openapi.ANY_ANSWER}, *OF_A_MODEL),
    openapi_extensions=openapi.ANY_BODY,
)
def invoke_endpoint(
    name: Annotated[str, Path()],
    content_type: Annotated[str | None, Header(alias="Content-Type")] = None,
    accept: Annotated[str | None, Header(alias="Accept")] = None,
) -> Response[Any]:
    question = registry.Question(bodies.raw(app.current_event), content_type, accept)
    prediction = registry.predict(unquote(name), question, services.current())
    return Response(HTTPStatus.OK.value, prediction.content_type, bodies.as_answered(prediction.body))


@app.post(
    "/v1/endpoints/<name>/rollback",
    summary="Serve again what the endpoint served before",
    operation_id="restore_endpoint",
    tags=["endpoints"],
    responses=openapi.answers(
        {202: openapi.answer("The job that does it", models.TrainingAnswer, {"Location": "the job"})}, *OF_AN_ENDPOINT
    ),
)
def restore_endpoint(name: Annotated[str, Path()]) -> Response[Any]:
    job = registry.roll_back(unquote(name), services.current())
    about(job.job_id)
    return _accepted(job)


@app.delete(
    "/v1/endpoints/<name>",
    summary="Take an endpoint down; its models stay",
    operation_id="delete_endpoint",
    tags=["endpoints"],
    responses=openapi.answers({202: openapi.answer("It is being deleted", models.EndpointDeletion)}, *OF_AN_ENDPOINT),
)
def delete_endpoint(name: Annotated[str, Path()]) -> Response[Any]:
    deleted = registry.delete(unquote(name), services.current())
    return _json(HTTPStatus.ACCEPTED, {"name": deleted, "status": "Deleting"})


@app.get("/v1/openapi.json", include_in_schema=False)
def get_openapi() -> Response[Any]:
    return Response(HTTPStatus.OK.value, "application/json; charset=utf-8", openapi_document())


@cache
def openapi_document() -> str:
    """Returns the OpenAPI document, as JSON."""
    return openapi.completed(app.get_openapi_json_schema(title="Headrace", version="1", description=_DESCRIPTION))


def _answer(problem: Problem) -> Response[Any]:
    return Response(problem.status.value, problems.CONTENT_TYPE, problem.as_json())


@app.exception_handler(Problem)  # type: ignore[untyped-decorator]
def on_problem(problem: Problem) -> Response[Any]:
    return _answer(problem)


@app.exception_handler(RequestValidationError)  # type: ignore[untyped-decorator]
def on_invalid(error: RequestValidationError) -> Response[Any]:
    if strictness.is_form(app.current_event):
        return _answer(problems.unsupported())
    return _answer(problems.from_validation(error.errors()))


@app.exception_handler(UnicodeDecodeError)  # type: ignore[untyped-decorator]
def on_undecodable(_: UnicodeDecodeError) -> Response[Any]:
    """Answers for a body that came base64-encoded and was no text; nothing else is decoded here."""
    return _answer(problems.not_json())


@app.exception_handler(RequestUnsupportedContentType)  # type: ignore[untyped-decorator]
def on_unsupported(_: RequestUnsupportedContentType) -> Response[Any]:
    return _answer(problems.unsupported())


@app.not_found
def on_unknown_route(_: NotFoundError) -> Response[Any]:
    return _answer(Problem(HTTPStatus.NOT_FOUND, "there is nothing at this path for this method"))


@app.exception_handler(Exception)  # type: ignore[untyped-decorator]
def on_anything_else(error: Exception) -> Response[Any]:
    """Answers at the edge of the process: the log gets the error, the client only that there was one."""
    logger.error("unexpected error", exc_info=error)
    return _answer(Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "something went wrong here; it is in the log"))


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    # The router's patterns know only URI characters, while an HTTP API hands the path over decoded (all but %25).
    path = quote(unquote(event.get("rawPath") or "/"), safe="/-._~$")
    return app.resolve({**event, "rawPath": path}, context)
