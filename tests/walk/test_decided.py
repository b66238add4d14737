"""A catalogue whose models a person approves: what waits, what the gate keeps, what an alarm takes back."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.walk.cloud import Cloud, copy_project, running_cloud, until
from tests.walk.test_deployments import BUSY, NAME, Caller, decided, ended, registered, serving
from tests.walk.test_training import flowers

pytestmark = [pytest.mark.cloud, pytest.mark.xdist_group("decided")]

KEY = "datasets/decision_trees/decided/flowers.csv"


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cloud in which `decision_trees` is approved by hand, compared, and shifts its traffic."""
    folder = tmp_path_factory.mktemp("decided")
    project = copy_project(folder / "project", "decision_trees")
    file = project / "algorithms" / "decision_trees" / "algorithm.yaml"
    text = file.read_text(encoding="utf-8")
    for old, new in (
        ("approval: automatic", "approval: manual"),
        ("threshold: 0.8}", "threshold: 0.3, against: deployed}"),
        ("count: 1}", "count: 1, canary: {percent: 50, wait_seconds: 60}}"),
    ):
        assert old in text
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")
    with running_cloud(project, folder) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def first(strict: Cloud) -> str:
    """The ARN of the first model, approved in the registry itself."""
    strict.put(KEY, flowers(21, rows=150))
    job = strict.succeeded(KEY)
    assert job["links"]["endpoint"] is None
    arn: str = job["links"]["model_package"]
    sagemaker = strict.clients.client("sagemaker")
    metrics = sagemaker.describe_model_package(ModelPackageName=arn)["ModelMetrics"]["ModelQuality"]["Statistics"]
    bucket, _, key = metrics["S3Uri"].removeprefix("s3://").partition("/")
    measured = json.loads(strict.clients.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())
    assert measured["metrics"]["accuracy"]["value"] > 0.8
    sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")

    def deployed() -> Mapping[str, Any] | None:
        jobs = strict.get("/v1/jobs?kind=deployment")["jobs"]
        return jobs[0] if jobs and jobs[0]["status"] not in BUSY else None

    job = until(deployed, "the deployment that the registry started")
    assert job["status"] == "SUCCESS", job["error"]
    assert serving(strict) == arn
    return arn


def test_the_better_model_stays_and_the_job_says_so(strict: Cloud, first: str) -> None:
    body = {"algorithm": "decision_trees", "key": KEY, "hyperparameters": {"max_depth": 1}}
    started = strict.request("POST", "/v1/trainings", json=body)
    job = ended(strict, json.loads(started.data)["job_id"])
    assert job["status"] == "FAILURE"
    assert job["error"]["message"].startswith("KeepDeployed: The model was not registered: the one in service")
    assert " Measured: accuracy 0.6" in job["error"]["message"]
    assert " The model in service: accuracy " in job["error"]["message"]
    assert serving(strict) == first


def test_an_alarm_takes_back_what_no_sample_could_tell(strict: Cloud, first: str) -> None:
    arn, model = registered(strict, first, broken=True)
    strict.clients.client("sagemaker").update_model_package(
        ModelPackageArn=arn, CustomerMetadataPropertiesToRemove=["sample"]
    )
    caller = Caller(strict)
    try:
        job = ended(strict, decided(strict, model, "Approved"))
    finally:
        caller.stop()
    assert (job["status"], job["error"]["code"]) == ("FAILURE", "DeploymentRolledBack")
    assert f"{NAME}-5xx" in job["error"]["message"]
    assert all("(500)" in error for error in caller.errors)
    assert serving(strict) == first
