"""The OpenAPI document is true: what it says comes, nothing else does, and a client can be written from it."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from werkzeug.test import Client

from functions import api
from functions.aws import times
from functions.jobs import ids, jobs
from functions.jobs.job import Kind, Source, Status
from tests.unit.functions.cloud import UPLOADS, Cloud, new_job
from tests.unit.functions.gateway import gateway

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis import checks
    from schemathesis.generation import GenerationMode
    from schemathesis.specs.openapi import checks as openapi_checks

JOB_ID = ids.derived("a", "job", "there")

# Left out: `ignored_auth` (API Gateway asks for the signature, not the function) and `unsupported_method` (API Gateway
# answers 404, not 405, where it has no route: the function says the same).
CHECKS = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_headers_conformance,
    openapi_checks.response_schema_conformance,
    openapi_checks.negative_data_rejection,
]
EXAMPLES = settings(
    max_examples=12,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return dict(json.loads(api.openapi_document()))


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        yield from ((path, operation) for operation in methods.values())


OPERATIONS = [operation["operationId"] for _, operation in operations(json.loads(api.openapi_document()))]


@pytest.fixture(autouse=True)
def _contents(cloud: Cloud) -> None:
    cloud.publish("decision_trees")
    cloud.publish_faces()
    cloud.publish_chain()
    cloud.put("datasets/decision_trees/one/data.csv")
    job = new_job(
        JOB_ID,
        Kind.FACE,
        Status.FAILURE,
        times.iso(cloud.clock()),
        source=Source(UPLOADS, "images/a.jpg", "v1"),
        results=[{"index": 0, "label": "ORIGINAL", "key": "results/a/0.png"}],
        error={"code": "ImageRejected", "message": "too large"},
    )
    jobs.create(cloud.services, job)


def schema() -> Any:
    return schemathesis.openapi.from_wsgi("/v1/openapi.json", gateway)


def agrees(operation_id: str, mode: GenerationMode) -> None:
    """Asks an operation twelve things that its document allows (or forbids), always the same."""
    operation = schema().find_operation_by_id(operation_id)

    @EXAMPLES
    @given(case=operation.as_strategy(generation_mode=mode))
    def each(case: Any) -> None:
        case.call_and_validate(checks=CHECKS)

    each()


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_what_the_document_allows_is_answered_as_it_says(operation_id: str) -> None:
    agrees(operation_id, GenerationMode.POSITIVE)


# Of the others, all that the document can say is that a name is text.
@pytest.mark.parametrize("operation_id", ["create_upload", "list_jobs", "get_result", "create_training"])
def test_what_the_document_forbids_is_refused_as_it_says(operation_id: str) -> None:
    agrees(operation_id, GenerationMode.NEGATIVE)


UPLOAD = {"kind": "training", "algorithm": "decision_trees", "filename": "a.csv", "content_type": "text/csv"}


@pytest.mark.parametrize(
    ("operation_id", "request_", "status"),
    [
        ("create_upload", {"body": UPLOAD, "media_type": "application/json"}, 201),
        ("create_upload", {"body": UPLOAD, "media_type": "application/x-www-form-urlencoded"}, 415),
        ("put_image", {"path_parameters": {"filename": "me.jpg"}}, 307),
        ("get_job", {"path_parameters": {"job_id": JOB_ID}}, 200),
        ("get_job", {"path_parameters": {"job_id": JOB_ID}, "headers": {"If-None-Match": "*"}}, 304),
        ("get_job", {"path_parameters": {"job_id": JOB_ID}, "query": {"verbose": "1"}}, 422),
        ("list_events", {"path_parameters": {"job_id": JOB_ID}}, 200),
        ("get_result", {"path_parameters": {"job_id": JOB_ID, "index": 0}}, 307),
        ("list_jobs", {"query": {"key": "images/a.jpg"}}, 200),
        ("list_algorithms", {}, 200),
        ("get_algorithm", {"path_parameters": {"name": "plates"}}, 200),
        ("create_training", {"body": {"algorithm": "decision_trees"}, "media_type": "application/json"}, 202),
    ],
)
def test_what_is_there_is_told_as_the_document_says(operation_id: str, request_: dict[str, Any], status: int) -> None:
    case = schema().find_operation_by_id(operation_id).Case(**request_)
    response = case.call()
    case.validate_response(response, checks=CHECKS[:-1])
    assert response.status_code == status


def test_every_operation_can_be_named_grouped_and_signed(document: dict[str, Any]) -> None:
    tags = {tag["name"] for tag in document["tags"]}
    for _, operation in operations(document):
        assert re.fullmatch("[a-z]+_[a-z]+", operation["operationId"])
        assert set(operation["tags"]) <= tags
    (scheme,) = document["components"]["securitySchemes"].values()
    assert (scheme["in"], scheme["name"], scheme["x-amazon-apigateway-authtype"]) == (
        "header",
        "Authorization",
        "awsSigv4",
    )


def test_every_operation_tells_every_status_that_can_come(document: dict[str, Any]) -> None:
    for path, operation in operations(document):
        expected = {"403", "422", "429", "500", "503"}
        expected |= {"404"} if "{" in path else set()
        expected |= {"400", "413", "415"} if operation["operationId"].startswith("create_") else set()
        assert expected <= set(operation["responses"])
        # What this API says is a problem; what the gateway says in its stead is the gateway's message.
        for status in expected - {"403", "413", "429", "503"}:
            assert "application/problem+json" in operation["responses"][status]["content"]


def test_an_answer_without_a_body_has_none_in_the_document(document: dict[str, Any]) -> None:
    statuses = [
        (status, "content" in response)
        for _, operation in operations(document)
        for status, response in operation["responses"].items()
    ]
    assert {status for status, has_body in statuses if not has_body} == {"304", "307"}
    assert not [status for status, has_body in statuses if has_body and status in {"304", "307"}]


def test_no_schema_is_there_that_no_answer_has(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    for name in document["components"]["schemas"]:
        assert f'"#/components/schemas/{name}"' in text, name


def test_the_codes_of_failures_are_enumerated(document: dict[str, Any]) -> None:
    known, other = document["components"]["schemas"]["JobError"]["properties"]["code"]["anyOf"]
    assert {"ImageRejected", "UploadRejected", "PipelineFailed", "States.Timeout"} <= set(known["enum"])
    # Foreign code fails with names of its own.
    assert other == {"type": "string"}


@pytest.mark.parametrize(
    ("path", "query", "words"),
    [
        ("/v1/jobs", {"stauts": "SUCCESS"}, "cursor, key, kind, limit, status"),
        (f"/v1/jobs/{JOB_ID}", {"verbose": ""}, "none"),
        ("/v1/openapi.json", {"format": "yaml"}, "none"),
    ],
)
def test_an_unknown_query_parameter_is_refused_by_name(path: str, query: dict[str, str], words: str) -> None:
    response = Client(gateway).get(path, query_string=query)
    assert response.status_code == 422
    (error,) = response.get_json(force=True)["errors"]
    assert error["field"] == next(iter(query))
    assert words in error["message"]


@pytest.mark.parametrize("content_type", ["multipart/form-data", "application/x-www-form-urlencoded"])
def test_a_form_is_not_read_as_if_it_were_json(content_type: str) -> None:
    upload = {"kind": "face", "filename": "me.jpg"}
    response = Client(gateway).post("/v1/uploads", data=upload, content_type=content_type)
    assert response.status_code == 415
    assert response.get_json(force=True)["detail"] == "expected a body of type application/json"


def test_a_signature_in_the_query_is_no_parameter() -> None:
    assert Client(gateway).get("/v1/jobs", query_string={"X-Amz-Signature": "0" * 64}).status_code == 200
