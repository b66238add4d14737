"""The HTTP API on the local cloud, as curl sees it."""

import json

import pytest

from tests.walk.cloud import Cloud
from tests.walk.test_training import flowers

pytestmark = [pytest.mark.cloud, pytest.mark.xdist_group("cloud")]


def test_health_says_where_everything_is(cloud: Cloud) -> None:
    health = cloud.get("/_headrace/health")
    assert health["status"] == "ready"
    assert health["api_url"] == cloud.endpoint
    assert set(health) == {"status", "api_url", "uploads_bucket", "artifacts_bucket", "version"}


def test_a_presigned_upload_is_followed_by_its_job_id(cloud: Cloud) -> None:
    request = {"kind": "training", "algorithm": "decision_trees", "filename": "my flowers+.csv"}
    granted = cloud.request("POST", "/v1/uploads", json=request)
    assert granted.status == 201, granted.data
    grant = json.loads(granted.data)
    waiting = cloud.request("GET", f"/v1/jobs/{grant['job_id']}")
    assert json.loads(waiting.data)["status"] == "PENDING"
    assert int(waiting.headers["Retry-After"]) >= 1
    upload = grant["upload"]
    put = cloud.http.request(upload["method"], upload["url"], body=flowers(30), headers=upload["headers"])
    assert put.status == 200, put.data
    job = cloud.succeeded(json.loads(waiting.data)["source"]["key"])
    assert job["job_id"] == grant["job_id"]
    done = cloud.request("GET", f"/v1/jobs/{grant['job_id']}")
    assert "Retry-After" not in done.headers
    again = cloud.request("GET", f"/v1/jobs/{grant['job_id']}", headers={"If-None-Match": done.headers["ETag"]})
    assert again.status == 304


def test_a_form_is_taken_within_its_length_and_refused_outside(cloud: Cloud) -> None:
    request = {"kind": "face", "filename": "me.txt", "content_type": "text/plain"}
    grant = json.loads(cloud.request("POST", "/v1/uploads", json=request).data)
    form = grant["form"]
    key = f"images/{grant['job_id']}/me.txt"
    assert form["fields"]["key"] == key
    empty = cloud.http.request(form["method"], form["url"], fields={**form["fields"], "file": ("me.txt", b"")})
    assert (empty.status, b"EntityTooSmall" in empty.data) == (400, True)
    taken = cloud.http.request(form["method"], form["url"], fields={**form["fields"], "file": ("me.txt", b"no photo")})
    assert taken.status == 204, taken.data
    job = cloud.finished(key)
    assert (job["job_id"], job["status"]) == (grant["job_id"], "FAILURE")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("GET", "/v1/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV", None, 404, "01ARZ3NDEKTSV4RRFFQ69G5FAV"),
        ("GET", "/v1/nowhere", None, 404, ""),
        ("GET", "/v1/jobs?limit=many", None, 422, "limit"),
        ("POST", "/v1/uploads", {"kind": "poem", "filename": "a"}, 422, "kind"),
        ("POST", "/v1/uploads", {"kind": "training", "algorithm": "nobody", "filename": "a.csv"}, 422, "nobody"),
        (
            "POST",
            "/v1/trainings",
            {"algorithm": "decision_trees", "hyperparameters": {"max_depth": 0}},
            422,
            "max_depth",
        ),
    ],
)
def test_a_bad_request_is_answered_with_the_field(
    cloud: Cloud, method: str, path: str, body: object, status: int, words: str
) -> None:
    answer = cloud.request(method, path, **({} if body is None else {"json": body}))
    assert answer.status in ({status, 400} if status == 422 else {status})
    assert "json" in answer.headers["Content-Type"]
    assert words in answer.data.decode()


def test_the_api_describes_itself(cloud: Cloud) -> None:
    document = cloud.get("/v1/openapi.json")
    assert document["openapi"].startswith("3.")
    assert {"/v1/uploads", "/v1/jobs", "/v1/jobs/{job_id}"} <= set(document["paths"])


def test_the_emulators_own_switches_are_not_served(cloud: Cloud) -> None:
    assert cloud.request("POST", "/_ministack/reset").status == 403


def test_the_cloud_listens_on_loopback_only(cloud: Cloud) -> None:
    import psutil

    port = int(cloud.endpoint.rpartition(":")[2])
    listening = [
        connection.laddr.ip
        for connection in psutil.Process(cloud.process.pid).net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
    ]
    assert listening == ["127.0.0.1"]
