"""The way to AWS: `headrace deploy` with the real SAM CLI brings a second stage up beside the first.

The local cloud stands for AWS. Unlike `headrace up`, nothing here goes around SAM: it builds the packages, uploads
them, and sends the template with the parameters of samconfig.toml as a change set. Then the walk goes there.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.settings import REGION
from tests.walk.cloud import HEADRACE, ROOT, Cloud, copy_project, running_cloud, until
from tests.walk.test_faces import LABELS, photo
from tests.walk.test_training import flowers, predict

TOOLS = ROOT / ".venv-tools"
STAGE = "staging"
STACK = f"headrace-{STAGE}"

_DEPLOY_SECONDS = 240.0

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.xdist_group("deploy"),
    pytest.mark.skipif(
        not (TOOLS / "bin" / "sam").exists() and shutil.which("sam") is None,
        reason="the SAM CLI is not installed; `make test` installs it",
    ),
]


@dataclass(frozen=True, slots=True)
class Deployed:
    """A stage that SAM deployed: the stack's outputs are all that is known of it."""

    cloud: Cloud
    project: Path
    said: str
    """What `headrace deploy` wrote."""
    outputs: Mapping[str, str]

    def put(self, key: str, body: bytes) -> None:
        self.cloud.clients.client("s3").put_object(Bucket=self.outputs["UploadsBucket"], Key=key, Body=body)

    def url(self, path: str) -> str:
        """The stage's own API, where the local cloud serves APIs by their id."""
        api = self.outputs["ApiUrl"].removeprefix("https://").partition(".")[0]
        return f"{self.cloud.endpoint}/_aws/execute-api/{api}/$default{path}"

    def get(self, path: str, **query: str) -> urllib3.BaseHTTPResponse:
        """A signed GET, as `curl --aws-sigv4` sends it."""
        request = AWSRequest("GET", self.url(path), params=query)
        SigV4Auth(Credentials("test", "test"), "execute-api", REGION).add_auth(request)
        return self.cloud.http.request("GET", str(request.prepare().url), headers=dict(request.headers))

    def succeeded(self, key: str) -> Mapping[str, Any]:
        """The job of an uploaded object, which must end well."""

        def ended() -> Mapping[str, Any] | None:
            answer = self.get("/v1/jobs", key=key)
            assert answer.status == 200, answer.data
            jobs = json.loads(answer.data)["jobs"]
            return jobs[0] if jobs and jobs[0]["status"] in ("SUCCESS", "FAILURE") else None

        job = until(ended, f"a finished job for {key} in {STACK}")
        assert job["status"] == "SUCCESS", job["error"]
        return job


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cloud of its own: a deployment takes as long as the other walks together."""
    folder = tmp_path_factory.mktemp("cloud")
    with running_cloud(copy_project(folder / "project", "decision_trees", "face_aging"), folder) as running:
        yield running


@pytest.fixture(scope="module")
def deployed(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """The stage, deployed from a copy of the project (SAM builds into the project's folder) and deleted at the end."""
    project = tmp_path_factory.mktemp("deployed") / "checkout"
    checkout(project)
    try:
        said = deploy(cloud, project)
        await_standing_endpoint(cloud)
        stacks = cloud.clients.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in stacks[0]["Outputs"]}
        yield Deployed(cloud, project, said, outputs)
    finally:
        delete(cloud)


def checkout(target: Path) -> None:
    """All that a deployment reads of a checkout.

    Other algorithms take their sources from the network, or their environments long to build.
    """
    copy_project(target, "decision_trees", "face_aging", "gradient_boosting")
    for name in ("samconfig.toml", "Makefile"):
        shutil.copy(ROOT / name, target)
    shutil.copytree(ROOT / "requirements", target / "requirements")
    (target / ".venv").symlink_to(sys.prefix)
    if TOOLS.exists():
        (target / ".venv-tools").symlink_to(TOOLS)


def deploy(cloud: Cloud, project: Path) -> str:
    """`headrace deploy` with the local cloud for AWS; returns what it wrote."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment.setdefault("HEADRACE_CACHE_DIR", str(ROOT / ".headrace" / "cache"))
    environment |= {
        "AWS_ENDPOINT_URL": cloud.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        # The local cloud runs functions with this interpreter, whatever their Runtime says.
        "LAMBDA_WHEELS": f'--python "{sys.executable}"',
        # SAM looks every 5 s otherwise, as CloudFormation throttles those who ask more often.
        "SAM_CLI_POLL_DELAY": "0.5",
        # SAM keeps notes in the home folder otherwise.
        "__SAM_CLI_APP_DIR": str(project / "sam"),
    }
    done = subprocess.run(
        [str(HEADRACE), "deploy", "--stage", STAGE],
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_DEPLOY_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def await_standing_endpoint(cloud: Cloud) -> None:
    """The deployment that publishing began goes on by itself; a photo has to wait for it."""

    def in_service() -> bool | None:
        endpoints = cloud.clients.client("sagemaker").list_endpoints(StatusEquals="InService")["Endpoints"]
        return f"{STACK}-face-aging" in [endpoint["EndpointName"] for endpoint in endpoints] or None

    until(in_service, f"{STACK}-face-aging in service")


def delete(cloud: Cloud) -> None:
    """Take the stage away again: the other walks know one state machine of each name."""
    sagemaker, cloudformation = cloud.clients.client("sagemaker"), cloud.clients.client("cloudformation")
    for endpoint in sagemaker.list_endpoints(NameContains=STACK)["Endpoints"]:
        sagemaker.delete_endpoint(EndpointName=endpoint["EndpointName"])
    cloudformation.delete_stack(StackName=STACK)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})


def test_a_csv_uploaded_to_the_deployed_stage_becomes_an_endpoint_that_answers(deployed: Deployed) -> None:
    key = "datasets/decision_trees/meadow/flowers.csv"
    deployed.put(key, flowers(1))
    job = deployed.succeeded(key)
    assert job["links"]["endpoint"] == f"{STACK}-decision-trees"
    answer = predict(deployed.cloud, job, [[5.0, 3.4, 1.5, 0.3], [6.6, 3.0, 5.6, 2.1]])
    assert [line.index(max(line)) for line in answer] == [0, 2]


def test_a_photo_uploaded_to_the_deployed_stage_becomes_five_images(deployed: Deployed) -> None:
    deployed.put("images/me.jpg", photo())
    job = deployed.succeeded("images/me.jpg")
    assert [result["label"] for result in job["results"]] == LABELS


def test_the_api_of_the_deployed_stage_asks_for_a_signed_request(deployed: Deployed) -> None:
    assert deployed.cloud.http.request("GET", deployed.url("/v1/algorithms")).status == 403
    answer = deployed.get("/v1/algorithms")
    assert answer.status == 200, answer.data


def test_deploying_the_same_again_changes_nothing(deployed: Deployed) -> None:
    assert "pipeline headrace-staging-decision-trees created" in deployed.said
    again = deploy(deployed.cloud, deployed.project)
    assert f"No changes to deploy. Stack {STACK} is up to date" in again
    assert f"pipeline {STACK}" not in again


@pytest.mark.parametrize(
    ("function", "module"),
    [("ApiFunction", "pydantic_core/_pydantic_core"), ("SplitResultFunction", "PIL/_imaging")],
)
def test_a_package_holds_the_wheels_of_lambda_whatever_machine_builds_it(
    tmp_path: Path, function: str, module: str
) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "LAMBDA_WHEELS"}
    subprocess.run(
        ["make", f"build-{function}", f"ARTIFACTS_DIR={tmp_path}", f"BIN={Path(sys.executable).parent}"],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
        timeout=_DEPLOY_SECONDS,
    )
    # The Runtime and the Architectures of template.yaml.
    assert (tmp_path / f"{module}.cpython-313-x86_64-linux-gnu.so").is_file()
    assert (tmp_path / "functions" / "__init__.py").is_file()
