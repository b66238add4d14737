"""The walk of a decision: approved models are asked first and served then, what goes wrong is taken back."""

import contextlib
import io
import json
import pickle
import subprocess
import tarfile
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.walk.cloud import HEADRACE, ROOT, Cloud, until
from tests.walk.test_training import flowers

pytestmark = [pytest.mark.cloud, pytest.mark.xdist_group("cloud")]

NAME = "headrace-dev-decision-trees"
BUSY = "PENDING", "INPROGRESS"


class Caller:
    """A client that asks the endpoint again and again, and what it was refused with."""

    def __init__(self, cloud: Cloud) -> None:
        self.answered = 0
        self.errors: list[str] = []
        self._runtime = cloud.clients.client("sagemaker-runtime")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def _ask(self) -> None:
        while not self._over.is_set():
            try:
                self._runtime.invoke_endpoint(EndpointName=NAME, ContentType="text/csv", Body=b"5.0,3.4,1.5,0.3\n")
                self.answered += 1
            except ClientError as error:
                self.errors.append(str(error))

    def stop(self) -> None:
        self._over.set()
        self._thread.join()


@contextlib.contextmanager
def somebody_asking(cloud: Cloud) -> Iterator[Caller]:
    """Nobody who asks meanwhile sees an error."""
    caller = Caller(cloud)
    try:
        yield caller
    finally:
        caller.stop()
    assert caller.errors == []
    assert caller.answered > 0


@pytest.fixture(scope="module")
def first(cloud: Cloud) -> str:
    """The ARN of the model that a training put behind the endpoint."""
    key = "datasets/decision_trees/decided/flowers.csv"
    cloud.put(key, flowers(11))
    arn: str = cloud.succeeded(key)["links"]["model_package"]
    return arn


def registered(cloud: Cloud, like: str, *, broken: bool = False) -> tuple[str, str]:
    """Registers a copy of a model that nobody has decided about; returns its ARN and what the API calls it."""
    sagemaker, s3 = cloud.clients.client("sagemaker"), cloud.clients.client("s3")
    package = sagemaker.describe_model_package(ModelPackageName=like)
    specification = package["InferenceSpecification"]
    if broken:
        (container,) = specification["Containers"]
        bucket, _, key = container["ModelDataUrl"].removeprefix("s3://").partition("/")
        good = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        s3.put_object(Bucket=bucket, Key="runs/broken/model.tar.gz", Body=without_a_model(good))
        container["ModelDataUrl"] = f"s3://{bucket}/runs/broken/model.tar.gz"
        container.pop("ModelDataETag", None)
        container.pop("ModelDataSource", None)
    arn = sagemaker.create_model_package(
        ModelPackageGroupName=package["ModelPackageGroupName"],
        InferenceSpecification=specification,
        ModelApprovalStatus="PendingManualApproval",
        CustomerMetadataProperties=package["CustomerMetadataProperties"],
    )["ModelPackageArn"]
    return arn, f"decision-trees-{arn.rpartition('/')[2]}"


def without_a_model(archive: bytes) -> bytes:
    """The archive with something in the place of its classifier: it loads, and answers every request with 500."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(archive)) as old, tarfile.open(fileobj=packed, mode="w:gz") as new:
        for member in old.getmembers():
            content = old.extractfile(member)
            body = b"" if content is None else content.read()
            if member.name.endswith("model.joblib"):
                body = pickle.dumps({"no": "model"})
                member.size = len(body)
            new.addfile(member, io.BytesIO(body))
    return packed.getvalue()


def decided(cloud: Cloud, model: str, status: str) -> str:
    """The job of a decision."""
    asked = cloud.request("POST", f"/v1/models/{model}/approval", json={"status": status, "reason": "as I say"})
    assert asked.status == 202, asked.data
    job_id: str = json.loads(asked.data)["job_id"]
    return job_id


def ended(cloud: Cloud, job_id: str) -> Mapping[str, Any]:
    def look() -> Mapping[str, Any] | None:
        job: Mapping[str, Any] = cloud.get(f"/v1/jobs/{job_id}")
        return None if job["status"] in BUSY else job

    return until(look, f"the end of job {job_id}")


def serving(cloud: Cloud) -> str | None:
    """The ARN of what the endpoint serves."""
    every = cloud.get("/v1/endpoints")["endpoints"]
    arn: str | None = next(one["model_package"] for one in every if one["name"] == NAME)
    return arn


def test_a_model_that_answers_500_never_meets_a_client(cloud: Cloud, first: str) -> None:
    _, model = registered(cloud, first, broken=True)
    with somebody_asking(cloud):
        job = ended(cloud, decided(cloud, model, "Approved"))
    assert (job["kind"], job["status"], job["error"]["code"]) == ("deployment", "FAILURE", "SmokeTestFailed")
    assert "with 500" in job["error"]["message"]
    assert "as before" in job["error"]["message"]
    assert serving(cloud) == first
    until(lambda: None if _candidates(cloud) else True, "no candidate is left")


def _candidates(cloud: Cloud) -> list[str]:
    every = cloud.clients.client("sagemaker").list_endpoints(NameContains="-trial")["Endpoints"]
    return [one["EndpointName"] for one in every]


def test_approved_serves_and_rejected_goes_back(cloud: Cloud, first: str) -> None:
    arn, model = registered(cloud, first)
    with somebody_asking(cloud):
        job = ended(cloud, decided(cloud, model, "Approved"))
        assert job["status"] == "SUCCESS", job["error"]
        assert job["links"]["model_package"] == serving(cloud) == arn
        listed = cloud.get("/v1/models?algorithm=decision_trees")["models"]
        assert {one["id"]: (one["approval"], one["endpoint"], one["reason"]) for one in listed}[model] == (
            ("Approved", NAME, "as I say")
        )
        back = ended(cloud, decided(cloud, model, "Rejected"))
        assert back["status"] == "SUCCESS", back["error"]
        assert back["links"]["model_package"] == serving(cloud) == first


def test_a_rejected_model_that_serves_nowhere_changes_nothing(cloud: Cloud, first: str) -> None:
    _, model = registered(cloud, first)
    before = serving(cloud)
    rejected = cloud.request("POST", f"/v1/models/{model}/approval", json={"status": "Rejected"})
    assert (rejected.status, json.loads(rejected.data)["job_id"]) == (200, None)
    assert serving(cloud) == before


def test_of_two_approvals_at_once_the_later_wins(cloud: Cloud, first: str) -> None:
    (_, one), (arn, other) = registered(cloud, first), registered(cloud, first)
    with somebody_asking(cloud):
        earlier = decided(cloud, one, "Approved")
        later = decided(cloud, other, "Approved")
        job, overtaken = ended(cloud, later), ended(cloud, earlier)
    assert job["status"] == "SUCCESS", job["error"]
    assert overtaken["status"] == "SUCCESS" or overtaken["error"]["code"] == "Superseded"
    assert serving(cloud) == arn


def headrace(cloud: Cloud, *words: str, stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    command = [str(HEADRACE), *words, "--api-url", cloud.endpoint]
    return subprocess.run(command, cwd=ROOT, input=stdin, capture_output=True, timeout=200, check=False)


def told(cloud: Cloud, *words: str, stdin: bytes = b"") -> Any:
    """What a command answers with --json; it must end well."""
    said = headrace(cloud, *words, "--json", stdin=stdin)
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout)


def test_every_command_of_the_page_on_deployments_does_what_it_says(cloud: Cloud, first: str) -> None:
    _, model = registered(cloud, first)
    assert model in [one["id"] for one in told(cloud, "models", "decision_trees")["models"]]
    assert NAME in [one["name"] for one in told(cloud, "endpoints")["endpoints"]]
    (approved,) = told(cloud, "approve", model, "--reason", "good")
    assert approved["links"]["model_package"] == serving(cloud)
    row = b"5.0,3.4,1.5,0.3\n"
    assert told(cloud, "predict", "decision_trees", "-", stdin=row)["content_type"].startswith("text/csv")
    assert headrace(cloud, "predict", NAME, "-", "--accept", "text/csv", stdin=row).stdout.count(b",") == 2
    refused = headrace(cloud, "predict", "decision_trees", "-", stdin=b"a,b\n")
    assert (refused.returncode, b"the model answered 400" in refused.stderr) == (2, True)
    assert b"asynchronously" in headrace(cloud, "predict", "face_aging", "-").stderr
    (rejected,) = told(cloud, "reject", model)
    assert rejected["links"]["model_package"] == serving(cloud) != approved["links"]["model_package"]
    (back,) = told(cloud, "rollback", "decision_trees")
    assert back["links"]["model_package"] == serving(cloud) != rejected["links"]["model_package"]
    assert told(cloud, "delete-endpoint", "decision_trees", "--yes") == {"name": NAME, "status": "Deleting"}
    until(lambda: NAME not in [one["name"] for one in told(cloud, "endpoints")["endpoints"]] or None, "it is gone")
    assert headrace(cloud, "delete-endpoint", NAME, "--yes").returncode == 1
    assert b"does not exist" in headrace(cloud, "approve", "nothing-1").stderr
