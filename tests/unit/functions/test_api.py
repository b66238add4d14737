"""The HTTP API, asked as API Gateway asks it."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions import api
from functions.aws import times
from functions.http import requests
from functions.images import images
from functions.jobs import ids, jobs, listing
from functions.jobs.job import Job, Kind, Source, Status
from functions.jobs.jobs import Progress
from functions.uploads import claims, ledger
from tests.unit.functions.cloud import (
    ARTIFACTS,
    MACHINE,
    UPLOADS,
    Cloud,
    Context,
    client_error,
    execution,
    new_job,
    uploaded,
)

HOST = "abc.execute-api.us-east-1.amazonaws.com"
UNKNOWN = ids.derived("no", "such", "job")


class Answer:
    """A response of the handler."""

    def __init__(self, response: dict[str, Any]) -> None:
        self.status: int = response["statusCode"]
        self.headers = {name.lower(): value for name, value in response["headers"].items()}
        self.text: str = response["body"]

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    def problem(self) -> dict[str, str]:
        """Messages by field, of an answer that must be a problem."""
        assert self.headers["content-type"] == "application/problem+json"
        assert self.json["status"] == self.status
        assert {"type", "title", "detail"} <= set(self.json)
        return {error["field"]: error["message"] for error in self.json.get("errors", [])}


def ask(
    method: str,
    path: str,
    body: Any = None,
    query: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    stage: str = "$default",
) -> Answer:
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": HOST, "x-forwarded-proto": "https", **(headers or {})},
        "queryStringParameters": query,
        "requestContext": {"domainName": HOST, "stage": stage, "http": {"method": method, "path": path}},
        "body": body if isinstance(body, str) or body is None else json.dumps(body),
        "isBase64Encoded": False,
    }
    return Answer(api.handler(event, Context()))


@pytest.fixture(autouse=True)
def _catalogue(cloud: Cloud) -> None:
    cloud.publish("decision_trees")
    cloud.publish("folders", trigger={"on": "upload", "pattern": "_SUCCESS"})
    cloud.publish("nightly", trigger={"on": "schedule", "pattern": "*.csv"})
    cloud.publish_faces()


def add(cloud: Cloud, kind: Kind = Kind.TRAINING, status: Status = Status.INPROGRESS, key: str = "k") -> Job:
    cloud.clock.advance(seconds=1)
    job = new_job(
        ids.ulid(cloud.clock()),
        kind,
        status,
        times.iso(cloud.clock()),
        algorithm="decision_trees",
        source=Source(UPLOADS, key, "v1"),
        steps=["Process", "Train"],
        execution=execution("e1"),
    )
    jobs.create(cloud.services, job)
    return job


def stored(cloud: Cloud, job_id: str) -> Job:
    found = jobs.get(cloud.services, job_id)
    assert found is not None
    return found


def test_an_announced_dataset_is_a_pending_job_and_a_url(cloud: Cloud) -> None:
    body = {
        "kind": "training",
        "algorithm": "decision_trees",
        "filename": "mis datos+1 ñ.csv",
        "content_type": "text/csv",
    }
    answer = ask("POST", "/v1/uploads", body)
    assert answer.status == 201
    job_id = answer.json["job_id"]
    assert ids.is_job_id(job_id)
    assert answer.json["status_url"] == answer.headers["location"] == f"https://{HOST}/v1/jobs/{job_id}"
    upload = answer.json["upload"]
    assert (upload["method"], upload["headers"]) == ("PUT", {"Content-Type": "text/csv"})
    url = urlsplit(upload["url"])
    assert unquote(url.path).endswith(f"/datasets/decision_trees/{job_id}/mis datos+1 ñ.csv")
    assert "X-Amz-Expires" in parse_qs(url.query) or "Expires" in parse_qs(url.query)
    job = stored(cloud, job_id)
    assert job.status is Status.PENDING
    assert job.source == Source(UPLOADS, f"datasets/decision_trees/{job_id}/mis datos+1 ñ.csv", None)


@pytest.mark.parametrize(
    ("body", "most"),
    [
        ({"kind": "face", "filename": "me.jpg", "content_type": "image/jpeg"}, images.MAX_BYTES),
        ({"kind": "training", "algorithm": "decision_trees", "filename": "a.csv"}, requests.MAX_DATASET),
    ],
)
def test_a_form_does_what_the_put_does_and_bounds_the_length(body: dict[str, str], most: int) -> None:
    answer = ask("POST", "/v1/uploads", body).json
    form, put = answer["form"], urlsplit(answer["upload"]["url"])
    assert (form["method"], form["max_bytes"]) == ("POST", most)
    assert unquote(put.path).endswith(form["fields"]["key"])
    assert form["fields"].get("Content-Type") == body.get("content_type")
    policy = json.loads(base64.b64decode(form["fields"]["policy"]))["conditions"]
    assert ["content-length-range", 1, most] in policy
    assert {"key": form["fields"]["key"]} in policy
    assert {"bucket": UPLOADS} in policy


def test_a_name_that_a_form_would_replace_is_refused() -> None:
    answer = ask("POST", "/v1/uploads", {"kind": "face", "filename": "${filename}"})
    assert answer.status == 422
    assert "S3 replaces" in answer.problem()["filename"]


def test_the_put_of_an_announced_file_is_claimed_as_its_job(cloud: Cloud) -> None:
    job_id = ask("POST", "/v1/uploads", {"kind": "face", "filename": "me.jpg"}).json["job_id"]
    output = claims.claim(uploaded(f"images/{job_id}/me.jpg"), execution("e1"), cloud.services)
    assert output.job_id == job_id


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"kind": "video", "filename": "a"}, "kind", "'training', 'face' or 'chain'"),
        ({"kind": "face"}, "filename", "required"),
        ({"kind": "face", "filename": 3}, "filename", "valid string"),
        ({"kind": "face", "filename": ""}, "filename", "at least 1"),
        ({"kind": "face", "filename": "a/b"}, "filename", "no slashes"),
        ({"kind": "face", "filename": ".."}, "filename", "expected a file name"),
        ({"kind": "face", "filename": "x" * 201}, "filename", "at most 200"),
        ({"kind": "face", "filename": "a", "size": 1}, "size", "not permitted"),
        ({"kind": "face", "filename": "a", "algorithm": "decision_trees"}, "algorithm", "face_aging"),
        ({"kind": "face", "filename": "a", "content_type": "a\nb"}, "content_type", "pattern"),
        ({"kind": "training", "filename": "a.csv"}, "algorithm", "needs an algorithm"),
        ({"kind": "training", "filename": "a.csv", "algorithm": "nobody"}, "algorithm", "no algorithm 'nobody'"),
        ({"kind": "training", "filename": "a.csv", "algorithm": "face_aging"}, "algorithm", "cannot be trained"),
        (
            {"kind": "training", "filename": "a.csv", "algorithm": "decision_trees", "hyperparameters": {"x": 1}},
            "hyperparameters.x",
            "no such",
        ),
        ({"kind": "face", "filename": "a.jpg", "hyperparameters": {"x": 1}}, "hyperparameters", "trains nothing"),
        ({"kind": "training", "filename": "a.csv", "algorithm": "nightly"}, "algorithm", "on its schedule"),
        ({"kind": "training", "filename": "a.txt", "algorithm": "decision_trees"}, "filename", "match '*.csv'"),
        ({"kind": "training", "filename": "a.csv", "algorithm": "folders"}, "filename", "_SUCCESS"),
        ([1], "body", ""),
        (None, "body", ""),
    ],
)
def test_a_wrong_upload_names_the_field(body: Any, field: str, words: str) -> None:
    answer = ask("POST", "/v1/uploads", body)
    assert answer.status == 422
    problem = answer.problem()
    assert field in problem
    assert words in problem[field]


def test_a_body_that_is_no_json_is_a_bad_request() -> None:
    answer = ask("POST", "/v1/uploads", "{not json")
    assert answer.status == 400
    assert answer.problem() == {"body": "expected JSON"}


NESTED = '{"kind": "face", "filename": ' + "[" * 33 + "]" * 33 + "}"


@pytest.mark.parametrize(
    "body",
    ["[" * 100_000, '{"a":' * 100_000, "1" * 5000, NESTED, '{"algorithm": "\\ud800"}', '{"\\udc00": 1}'],
    ids=["lists", "objects", "digits", "nested", "surrogate", "surrogate-name"],
)
@pytest.mark.parametrize("path", ["/v1/uploads", "/v1/trainings"])
def test_a_body_that_nothing_could_go_on_with_is_a_bad_request(path: str, body: str) -> None:
    answer = ask("POST", path, body)
    assert answer.status == 400
    assert answer.problem() == {"body": "expected JSON"}


def test_a_body_that_is_no_text_is_a_bad_request() -> None:
    event = {
        "version": "2.0",
        "rawPath": "/v1/uploads",
        "headers": {"host": HOST, "content-type": "application/json"},
        "requestContext": {"domainName": HOST, "stage": "$default", "http": {"method": "POST", "path": "/v1/uploads"}},
        "body": base64.b64encode(b'{"kind": "\xff"}').decode(),
        "isBase64Encoded": True,
    }
    answer = Answer(api.handler(event, Context()))
    assert answer.status == 400
    assert answer.problem() == {"body": "expected JSON"}


@pytest.mark.parametrize(
    "path",
    ["/v1/jobs/" + "a" * 3000, "/v1/jobs/" + "a" * 3000 + "/events", "/v1/jobs/" + "é" * 2000 + "/results/0",
     "/v1/jobs/%00", "/v1/algorithms/" + "a" * 3000],
    ids=["job", "events", "result", "control", "algorithm"],
)  # fmt: skip
def test_a_name_that_nothing_can_have_is_not_found(path: str) -> None:
    answer = ask("GET", path)
    assert answer.status == 404
    answer.problem()
    assert len(answer.text) < 300


@pytest.mark.parametrize("key", ["datasets/decision_trees/d/" + "é" * 500 + ".csv", "é" * 1024])
def test_a_key_longer_than_s3_has_is_a_wrong_field(key: str) -> None:
    words = {"key": "it is too long: an S3 key has at most 1024 bytes"}
    listed = ask("GET", "/v1/jobs", query={"key": key})
    assert (listed.status, listed.problem()) == (422, words)
    trained = ask("POST", "/v1/trainings", {"algorithm": "decision_trees", "key": key})
    assert (trained.status, trained.problem()) == (422, words)


def test_a_file_may_have_its_ending_in_capitals() -> None:
    body = {"kind": "training", "algorithm": "decision_trees", "filename": "X.CSV"}
    assert ask("POST", "/v1/uploads", body).status == 201


json_bodies = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(json_bodies, st.sampled_from(["max_depth", "rate", "target", "criterion"]))
def test_no_hyperparameter_makes_the_api_stumble(cloud: Cloud, value: Any, name: str) -> None:
    del cloud
    answer = ask("POST", "/v1/trainings", {"algorithm": "decision_trees", "hyperparameters": {name: value}})
    assert answer.status in {400, 422}


def test_another_content_type_is_unsupported() -> None:
    answer = ask("POST", "/v1/uploads", "<a/>", headers={"content-type": "text/xml"})
    assert answer.status == 415
    answer.problem()


@pytest.mark.parametrize(
    ("path", "filename"),
    [
        ("me.jpg", "me.jpg"),
        ("mi foto.jpg", "mi foto.jpg"),
        ("mi%20foto.jpg", "mi foto.jpg"),
        ("1+1.jpg", "1+1.jpg"),
        ("año.jpg", "año.jpg"),
        ("a%C3%B1o.jpg", "año.jpg"),
        ("100%25.jpg", "100%.jpg"),
        ('a"b#c?€😀`.jpg', 'a"b#c?€😀`.jpg'),
    ],
)
def test_a_photo_put_to_the_api_is_redirected(cloud: Cloud, path: str, filename: str) -> None:
    answer = ask("PUT", f"/v1/images/{path}")
    assert answer.status == 307
    job_id = answer.headers["x-headrace-job-id"]
    assert answer.headers["x-headrace-status-url"] == f"https://{HOST}/v1/jobs/{job_id}"
    assert answer.headers["cache-control"] == "no-store"
    assert unquote(urlsplit(answer.headers["location"]).path).endswith(f"/images/{job_id}/{filename}")
    assert stored(cloud, job_id).source == Source(UPLOADS, f"images/{job_id}/{filename}", None)


def test_a_photos_name_is_one_segment() -> None:
    assert ask("PUT", "/v1/images/a%2Fb.jpg").status == 404
    assert ask("PUT", "/v1/images/..").status == 422
    assert ask("PUT", f"/v1/images/{'x' * 201}").status == 422


def test_a_job_is_told_in_exactly_these_words(cloud: Cloud) -> None:
    job = add(cloud)
    jobs.note(cloud.services, job.job_id, Progress(step="Train", done=frozenset({"Process"}), links={"endpoint": "e"}))
    answer = ask("GET", f"/v1/jobs/{job.job_id}")
    assert answer.status == 200
    assert answer.json == {
        "job_id": job.job_id,
        "kind": "training",
        "status": "INPROGRESS",
        "algorithm": "decision_trees",
        "step": "Train",
        "steps_done": 1,
        "steps_total": 2,
        "links": {
            "execution": execution("e1"),
            "pipeline_execution": None,
            "training_job": None,
            "model_package": None,
            "endpoint": "e",
        },
        "results": [],
        "error": None,
        "source": {"bucket": UPLOADS, "key": "k", "version_id": "v1"},
        "run": {
            "trigger": None,
            "rerun_of": None,
            "inherited_from": None,
            "definition_sha256": None,
            "hyperparameters": None,
            "input_uri": None,
            "metrics": {},
            "durations": {},
        },
        "created_at": "2026-11-20T06:00:01.000Z",
        "updated_at": "2026-11-20T06:00:01.000Z",
    }
    assert answer.headers["retry-after"] == "2"
    assert answer.headers["cache-control"] == "no-cache"


def test_a_job_that_has_not_changed_is_not_sent_again(cloud: Cloud) -> None:
    job = add(cloud)
    tag = ask("GET", f"/v1/jobs/{job.job_id}").headers["etag"]
    for given_tag in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        again = ask("GET", f"/v1/jobs/{job.job_id}", headers={"If-None-Match": given_tag})
        assert (again.status, again.text) == (304, "")
        assert again.headers["etag"] == tag
        assert again.headers["retry-after"] == "2"
    cloud.clock.advance(seconds=1)
    jobs.note(cloud.services, job.job_id, Progress(step="Train"))
    assert ask("GET", f"/v1/jobs/{job.job_id}", headers={"If-None-Match": tag}).status == 200


def test_a_finished_job_is_not_to_be_asked_again(cloud: Cloud) -> None:
    job = add(cloud, status=Status.SUCCESS)
    answer = ask("GET", f"/v1/jobs/{job.job_id}")
    assert "retry-after" not in answer.headers
    assert (answer.json["step"], answer.json["steps_done"], answer.json["steps_total"]) == (None, 2, 2)


@pytest.mark.parametrize("path", ["", "/events", "/results/0"])
def test_an_unknown_job_is_not_found(path: str) -> None:
    answer = ask("GET", f"/v1/jobs/{UNKNOWN}{path}")
    assert answer.status == 404
    answer.problem()
    assert UNKNOWN in answer.json["detail"]


def test_results_are_links_under_the_apis_own_address(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    job = add(cloud, Kind.FACE, Status.SUCCESS)
    row = {"index": 0, "label": "ORIGINAL", "key": f"results/{job.job_id}/0.jpg"}
    jobs.note(cloud.services, job.job_id, Progress(results=[row]))
    path = f"/v1/jobs/{job.job_id}"
    assert ask("GET", path).json["results"] == [
        {"index": 0, "label": "ORIGINAL", "url": f"https://{HOST}{path}/results/0"}
    ]
    staged = ask("GET", f"/dev{path}", stage="dev").json["results"][0]["url"]
    assert staged == f"https://{HOST}/dev{path}/results/0"
    local = ask("GET", path, headers={"host": f"{HOST}:4566", "x-forwarded-proto": "http"}).json["results"][0]["url"]
    assert local == f"http://{HOST}:4566{path}/results/0"
    foreign = ask("GET", path, headers={"host": "evil.example"}).json["results"][0]["url"]
    assert foreign.startswith(f"https://{HOST}/")
    environment = {**cloud.services.settings.environ, "API_BASE_URL": "https://api.example.com/"}
    monkeypatch.setattr(type(cloud.services.settings), "api_base_url", property(lambda _: environment["API_BASE_URL"]))
    assert ask("GET", path).json["results"][0]["url"] == f"https://api.example.com{path}/results/0"


def test_a_result_is_redirected_to_its_bytes(cloud: Cloud) -> None:
    job = add(cloud, Kind.FACE, Status.SUCCESS)
    jobs.note(cloud.services, job.job_id, Progress(results=[{"index": 1, "label": "20-30", "key": "results/x/1.jpg"}]))
    answer = ask("GET", f"/v1/jobs/{job.job_id}/results/1")
    assert answer.status == 307
    assert ARTIFACTS in answer.headers["location"]
    assert "/results/x/1.jpg?" in answer.headers["location"]
    assert ask("GET", f"/v1/jobs/{job.job_id}/results/0").status == 404
    assert "index" in ask("GET", f"/v1/jobs/{job.job_id}/results/one").problem()


def test_jobs_of_all_kinds_are_listed_newest_first_page_by_page(cloud: Cloud) -> None:
    added = [add(cloud, kind).job_id for kind in [Kind.TRAINING, Kind.FACE, Kind.BATCH, Kind.DEPLOYMENT] * 3]
    found: list[str] = []
    cursor: str | None = None
    for _ in range(4):
        query = {"limit": "5"} | ({"cursor": cursor} if cursor else {})
        page = ask("GET", "/v1/jobs", query=query).json
        found += [job["job_id"] for job in page["jobs"]]
        cursor = page["cursor"]
        if cursor is None:
            break
        add(cloud)
    assert found == added[::-1]


def test_a_page_that_is_just_full_has_no_next(cloud: Cloud) -> None:
    for _ in range(3):
        add(cloud)
    assert ask("GET", "/v1/jobs", query={"limit": "3"}).json["cursor"] is None
    assert ask("GET", "/v1/jobs", query={"limit": "2"}).json["cursor"] is not None


def test_jobs_by_kind_status_and_object(cloud: Cloud) -> None:
    key = "datasets/decision_trees/año 1+1/a.csv"
    one = add(cloud, Kind.TRAINING, Status.FAILURE, key)
    two = add(cloud, Kind.TRAINING, Status.SUCCESS, key)
    three = add(cloud, Kind.FACE, Status.SUCCESS)

    def listed(**query: str) -> list[str]:
        return [job["job_id"] for job in ask("GET", "/v1/jobs", query=query).json["jobs"]]

    assert listed(key=key) == [two.job_id, one.job_id]
    assert listed(key=key, status="FAILURE") == [one.job_id]
    assert listed(kind="face") == [three.job_id]
    assert listed(status="SUCCESS") == [three.job_id, two.job_id]
    assert listed(key="nothing") == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"kind": "video"}, "kind"),
        ({"status": "DONE"}, "status"),
        ({"cursor": "???"}, "cursor"),
        ({"cursor": "YWJj"}, "cursor"),
        ({"key": ""}, "key"),
    ],
)
def test_a_wrong_query_names_the_field(query: dict[str, str], field: str) -> None:
    answer = ask("GET", "/v1/jobs", query=query)
    assert answer.status == 422
    assert field in answer.problem()


@given(st.text(max_size=200))
def test_any_cursor_is_read_or_refused(cursor: str) -> None:
    try:
        listing._decode(cursor)
    except listing.CursorInvalid:
        return


def test_every_delivery_of_an_upload_is_visible(cloud: Cloud) -> None:
    key = "datasets/decision_trees/d/a.csv"
    job_id = ""
    for number in range(3):
        cloud.clock.time += timedelta(seconds=1)
        job_id = claims.claim(uploaded(key), execution(f"e{number}"), cloud.services).job_id or ""
    answer = ask("GET", f"/v1/jobs/{job_id}/events")
    assert [event["decision"] for event in answer.json["events"]] == ["started", "duplicate", "duplicate"]
    assert answer.json["events"][0] == {
        "decision": "started",
        "reason": None,
        "job_id": job_id,
        "execution": execution("e0"),
        "received_at": "2026-11-20T06:00:01.000Z",
    }
    head = ledger.head(cloud.services, f"{UPLOADS}/{key}")
    assert head is not None
    assert head.execution == execution("e0")
    cloud.clock.advance(days=31)
    assert ask("GET", f"/v1/jobs/{job_id}/events").json == {"events": []}


def test_an_object_that_started_nothing_shows_why(cloud: Cloud) -> None:
    key = "datasets/decision_trees/d/readme.txt"
    for number in range(25):
        cloud.clock.advance(seconds=1)
        claims.claim(uploaded(key, f"{number:04}"), execution(f"e{number}"), cloud.services)
    answer = ask("GET", "/v1/jobs", query={"key": key}).json
    assert (answer["jobs"], answer["cursor"], len(answer["events"])) == ([], None, 20)
    assert answer["events"][0] == {
        "decision": "ignored",
        "reason": "'readme.txt' does not match '*.csv', which starts decision_trees",
        "job_id": None,
        "execution": execution("e24"),
        "received_at": "2026-11-20T06:00:25.000Z",
    }
    assert [event["received_at"] for event in answer["events"]] == sorted(
        (event["received_at"] for event in answer["events"]), reverse=True
    )


def test_deliveries_that_started_nothing_stand_beside_the_job_that_was_started(cloud: Cloud) -> None:
    key = "datasets/decision_trees/d/a.csv"
    for name, sequencer in (("e0", "0061A2"), ("e1", "0061A2"), ("e2", "0061A1")):
        cloud.clock.advance(seconds=1)
        claims.claim(uploaded(key, sequencer), execution(name), cloud.services)
    answer = ask("GET", "/v1/jobs", query={"key": key}).json
    assert [event["decision"] for event in answer["events"]] == ["stale", "duplicate", "started"]
    assert {event["job_id"] for event in answer["events"]} == {job["job_id"] for job in answer["jobs"]}


def test_deliveries_are_told_for_one_object_only(cloud: Cloud) -> None:
    add(cloud)
    assert "events" not in ask("GET", "/v1/jobs").json
    assert ask("GET", "/v1/jobs", query={"key": "nothing"}).json == {"jobs": [], "cursor": None, "events": []}


def test_the_catalogue(cloud: Cloud) -> None:
    del cloud
    names = [algorithm["name"] for algorithm in ask("GET", "/v1/algorithms").json["algorithms"]]
    assert names == ["decision_trees", "face_aging", "folders", "nightly"]
    assert ask("GET", "/v1/algorithms/decision_trees").json["hyperparameters"]["max_depth"]["maximum"] == 64
    assert ask("GET", "/v1/algorithms/nobody").status == 404


def test_an_upload_is_trained_with_what_it_was_announced_with(cloud: Cloud) -> None:
    asked = {"kind": "training", "algorithm": "decision_trees", "filename": "a.csv"}
    answer = ask("POST", "/v1/uploads", {**asked, "hyperparameters": {"max_depth": 3, "rate": 2.0}})
    job_id = answer.json["job_id"]
    key = f"datasets/decision_trees/{job_id}/a.csv"
    output = claims.claim(uploaded(key), execution("e"), cloud.services).as_output()
    assert (output["job_id"], output["hyperparameters"]) == (job_id, {"max_depth": 3, "rate": 2.0})
    assert isinstance(output["hyperparameters"]["rate"], float)


def test_a_training_of_the_newest_dataset_is_started(cloud: Cloud) -> None:
    cloud.put("datasets/decision_trees/d/a.csv")
    answer = ask("POST", "/v1/trainings", {"algorithm": "decision_trees", "hyperparameters": {"max_depth": 3}})
    assert answer.status == 202
    job_id = answer.json["job_id"]
    (request,) = cloud.stepfunctions.started
    assert (request["stateMachineArn"], request["name"]) == (MACHINE, job_id)
    assert stored(cloud, job_id).status is Status.PENDING
    output = claims.claim(json.loads(request["input"]), execution(job_id), cloud.services).as_output()
    assert output["decision"] == "started"
    assert output["hyperparameters"] == {"max_depth": 3}
    assert output["source"]["key"] == "datasets/decision_trees/d/a.csv"


def test_a_ready_made_model_is_deployed_when_somebody_asks(cloud: Cloud) -> None:
    job_id = ask("POST", "/v1/trainings", {"algorithm": "face_aging"}).json["job_id"]
    (request,) = cloud.stepfunctions.started
    output = claims.claim(json.loads(request["input"]), execution(job_id), cloud.services).as_output()
    assert (output["decision"], output["kind"], output["source"]) == ("started", "deployment", None)
    assert stored(cloud, job_id).kind is Kind.DEPLOYMENT


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({}, "algorithm", "required"),
        ({"algorithm": "nobody"}, "algorithm", "no algorithm 'nobody'"),
        ({"algorithm": "face_aging", "key": "datasets/face_aging/d/a.csv"}, "key", "its model comes ready-made"),
        ({"algorithm": "face_aging", "hyperparameters": {"x": 1}}, "hyperparameters.x", "no such"),
        ({"algorithm": "decision_trees"}, "key", "no dataset"),
        ({"algorithm": "decision_trees", "key": "datasets/decision_trees/d/gone.csv"}, "key", "there is no object"),
        ({"algorithm": "decision_trees", "key": "datasets/other/d/a.csv"}, "key", "datasets/decision_trees/<dataset>/"),
        ({"algorithm": "decision_trees", "key": "images/a.csv"}, "key", "expected a key under"),
        (
            {"algorithm": "decision_trees", "hyperparameters": {"max_depth": 65}},
            "hyperparameters.max_depth",
            "an integer >= 1 and <= 64, found 65",
        ),
        ({"algorithm": "decision_trees", "hyperparameters": {"x": 1}}, "hyperparameters.x", "no such"),
        ({"algorithm": "decision_trees", "hyperparameters": [1]}, "hyperparameters", "dictionary"),
    ],
)
def test_a_wrong_training_names_the_field(body: dict[str, Any], field: str, words: str) -> None:
    answer = ask("POST", "/v1/trainings", body)
    assert answer.status == 422
    problem = answer.problem()
    assert field in problem
    assert words in problem[field]


def test_a_training_that_cannot_be_started_says_so_on_its_job(cloud: Cloud) -> None:
    cloud.put("datasets/decision_trees/d/a.csv")
    cloud.stepfunctions.refuse_start = client_error("StateMachineDoesNotExist", "secret details")
    answer = ask("POST", "/v1/trainings", {"algorithm": "decision_trees"})
    assert answer.status == 500
    assert "secret" not in answer.text
    answer.problem()
    (job,) = jobs.of_kind(cloud.services, Kind.TRAINING)
    assert job.status is Status.FAILURE
    assert job.error is not None
    assert job.error["code"] == "ExecutionNotStarted"


def test_what_is_not_there_is_a_problem_too() -> None:
    assert ask("GET", "/v2/anything").status == 404
    assert ask("DELETE", f"/v1/jobs/{UNKNOWN}").status == 404
    ask("GET", "/").problem()


def test_the_openapi_document_tells_every_route() -> None:
    document = ask("GET", "/v1/openapi.json").json
    assert {(method, path) for path, methods in document["paths"].items() for method in methods} == {
        ("post", "/v1/uploads"),
        ("put", "/v1/images/{filename}"),
        ("get", "/v1/jobs"),
        ("get", "/v1/jobs/{job_id}"),
        ("post", "/v1/jobs/{job_id}/stop"),
        ("post", "/v1/jobs/{job_id}/rerun"),
        ("get", "/v1/jobs/{job_id}/logs"),
        ("get", "/v1/jobs/{job_id}/lineage"),
        ("get", "/v1/comparison"),
        ("get", "/v1/jobs/{job_id}/events"),
        ("get", "/v1/jobs/{job_id}/results/{index}"),
        ("get", "/v1/algorithms"),
        ("get", "/v1/algorithms/{name}"),
        ("post", "/v1/trainings"),
        ("get", "/v1/models"),
        ("post", "/v1/models/{model_id}/approval"),
        ("get", "/v1/endpoints"),
        ("post", "/v1/endpoints/{name}/invocations"),
        ("post", "/v1/endpoints/{name}/rollback"),
        ("delete", "/v1/endpoints/{name}"),
    }
    assert set(document["components"]["schemas"]["Job"]["required"]) >= {"job_id", "steps_done", "links", "error"}


def test_no_token_and_no_signature_is_logged(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    del cloud
    ask("PUT", "/v1/images/me.jpg")
    ask("POST", "/v1/uploads", {"kind": "face", "filename": "me.jpg"})
    logged = capsys.readouterr()
    assert "Signature" not in logged.out + logged.err


def test_a_job_is_stopped_once_and_a_finished_one_not_at_all(cloud: Cloud) -> None:
    job_id, now = ids.ulid(cloud.clock()), times.iso(cloud.clock())
    running = new_job(job_id, Kind.TRAINING, Status.INPROGRESS, now, execution=execution("e1"))
    jobs.create(cloud.services, running)
    answer = ask("POST", f"/v1/jobs/{job_id}/stop")
    assert (answer.status, answer.json["status"], answer.json["error"]["code"]) == (202, "STOPPED", "JobStopped")
    assert ask("POST", f"/v1/jobs/{job_id}/stop").status == 202
    assert ask("POST", f"/v1/jobs/{UNKNOWN}/stop").status == 404
    done = new_job(ids.derived("a", "b", "c"), Kind.TRAINING, Status.SUCCESS, now)
    jobs.create(cloud.services, done)
    refused = ask("POST", f"/v1/jobs/{done.job_id}/stop")
    refused.problem()
    assert (refused.status, refused.json["detail"].split(": ")[1]) == (409, "it is SUCCESS")


def test_a_file_whose_job_was_stopped_before_it_came_starts_nothing(cloud: Cloud) -> None:
    announced = ask("POST", "/v1/uploads", {"kind": "face", "filename": "me.jpg"}).json
    job_id = announced["job_id"]
    assert ask("POST", f"/v1/jobs/{job_id}/stop").json["status"] == "STOPPED"
    outcome = claims.claim(uploaded(f"images/{job_id}/me.jpg"), execution("e9"), cloud.services)
    assert (outcome.decision, outcome.job_id) == ("ignored", None)
    assert "was stopped" in str(outcome.reason)
