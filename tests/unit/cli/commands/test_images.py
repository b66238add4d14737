"""`headrace images`: what docker and ECR are asked for, and what is not.

docker is a script that notes how it was called, ECR is moto; no engine and no registry of AWS were asked.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from cli.commands.images.build import build
from cli.commands.images.push import push
from cli.errors import CommandError, UsageError
from cli.project.checkout import Project
from pipelines.catalogue import load_catalogue
from pipelines.container_images.image import ContainerImage, pull_policy
from pipelines.container_images.plan import plan_images, steps
from pipelines.container_images.requests import Command
from pipelines.environment import Environment
from tests.unit.cli.commands.machines import forget_account
from tests.unit.memory import mock_aws
from tests.unit.pipelines.catalogues import FRAMEWORK, OWN, UNTRAINED, write_catalogue

ROOT = Path(__file__).resolve().parents[4]
HEADRACE = Path(sys.executable).parent / "headrace"
ACCOUNT = "123456789012"  # moto's
REGIONS = ("eu-central-1", "cn-north-1", "us-gov-west-1")
LEARNING = "763104351884.dkr.ecr.eu-west-1.amazonaws.com"
PASSWORD = f"{ACCOUNT}-auth-token"  # what moto answers

DOCKER = f"""#!{sys.executable} -SE
import json, os, pathlib, sys
folder = pathlib.Path(sys.argv[0]).parent
words = sys.argv[1:]
config = pathlib.Path(os.environ.get("DOCKER_CONFIG", "/nowhere"))
note = {{"words": words, "pid": os.getpid(), "config": str(config), "stdin": ""}}
if words[0] == "login":
    note["stdin"] = sys.stdin.read()
    note["settings"] = json.loads((config / "config.json").read_text())
    note["linked"] = sorted(path.name for path in config.iterdir() if path.is_symlink())
with (folder / "calls").open("a") as calls:
    calls.write(json.dumps(note) + "\\n")
script = folder / words[0]
if script.exists():
    exec(script.read_text())
"""


class Docker:
    """The stand-in's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self) -> None:
        self.folder.mkdir()
        program = self.folder / "docker"
        program.write_text(DOCKER)
        program.chmod(0o755)

    def answers(self, command: str, script: str) -> None:
        """What one of its commands does beside being noted."""
        (self.folder / command).write_text(script)

    @property
    def calls(self) -> list[dict[str, Any]]:
        noted = self.folder / "calls"
        return [json.loads(line) for line in noted.read_text().splitlines()] if noted.exists() else []

    @property
    def work(self) -> list[tuple[str, ...]]:
        """The calls beside those that ask whether there is an engine."""
        asking = (["version"], ["buildx", "version"])
        return [tuple(call["words"]) for call in self.calls if call["words"][:2] != asking[1] and
                call["words"][:1] != asking[0]]  # fmt: skip


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A small project, which is the working directory, on a machine without docker and without an AWS account."""
    write_catalogue(tmp_path, OWN, FRAMEWORK, UNTRAINED)
    (tmp_path / "template.yaml").touch()
    shutil.copy(ROOT / "samconfig.toml", tmp_path)
    forget_account(monkeypatch, "DOCKER_")
    monkeypatch.setenv("PATH", str(tmp_path / "docker-bin"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


@pytest.fixture
def docker(project: Project) -> Docker:
    stand_in = Docker(project.root / "docker-bin")
    stand_in.install()
    return stand_in


@pytest.fixture(params=REGIONS)
def region(request: pytest.FixtureRequest) -> str:
    """One of each partition."""
    return str(request.param)


@pytest.fixture
def ecr(project: Project, region: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    del project
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield boto3.client("ecr")


only_one_region = pytest.mark.parametrize("region", REGIONS[:1])


def planned(project: Project, region: str) -> tuple[ContainerImage, ...]:
    environment = Environment("dev", ACCOUNT, region)
    return plan_images(load_catalogue(project.algorithms).checked(), environment)


def put(ecr: Any, image: ContainerImage, tag: str, content: str) -> str:
    """An image in ECR. Returns its digest."""
    layer = {"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": 1, "digest": f"sha256:{content}"}
    config = {"mediaType": "application/vnd.docker.container.image.v1+json", "size": 1, "digest": f"sha256:{content}"}
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    manifest = {"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer]}
    answer = ecr.put_image(repositoryName=image.repository, imageManifest=json.dumps(manifest), imageTag=tag)
    return str(answer["image"]["imageId"]["imageDigest"])


def digests(ecr: Any, image: ContainerImage) -> dict[str, str]:
    details = ecr.describe_images(repositoryName=image.repository)["imageDetails"]
    return {tag: detail["imageDigest"] for detail in details for tag in detail.get("imageTags", ())}


def headrace(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([str(HEADRACE), *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_a_push_runs_every_command_of_the_plan_in_every_partition(
    project: Project, ecr: Any, docker: Docker, region: str
) -> None:
    push()
    images = planned(project, region)
    assert docker.work == [step.arguments for step in steps(images, push=True) if isinstance(step, Command)]
    (login,) = [call for call in docker.calls if call["words"][0] == "login"]
    assert login["words"][-1].endswith(".amazonaws.com.cn" if region.startswith("cn-") else ".amazonaws.com")
    assert login["stdin"] == PASSWORD
    for image in images:
        (found,) = ecr.describe_repositories(repositoryNames=[image.repository])["repositories"]
        assert found["imageScanningConfiguration"] == {"scanOnPush": True}
        policy = json.loads(ecr.get_repository_policy(repositoryName=image.repository)["policyText"])
        assert policy == pull_policy(image.environment)
        lifecycle = json.loads(ecr.get_lifecycle_policy(repositoryName=image.repository)["lifecyclePolicyText"])
        assert lifecycle["rules"][0]["selection"]["tagStatus"] == "untagged"


@only_one_region
def test_what_ecr_has_is_neither_built_nor_pushed_and_needs_no_docker(
    project: Project, ecr: Any, region: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for image in planned(project, region):
        ecr.create_repository(repositoryName=image.repository)
        put(ecr, image, image.tag, "new")
        put(ecr, image, "latest", "new")
    push(as_json=True)
    assert [image["did"] for image in json.loads(capsys.readouterr().out)["images"]] == [[], []]


@only_one_region
def test_latest_follows_a_content_that_is_there(project: Project, ecr: Any, region: str) -> None:
    own, untrained = planned(project, region)
    for image in (own, untrained):
        ecr.create_repository(repositoryName=image.repository)
        put(ecr, image, "latest", "old")
        put(ecr, image, image.tag, "new")
    push(["own"])
    assert digests(ecr, own)["latest"] == digests(ecr, own)[own.tag]
    assert digests(ecr, untrained)["latest"] != digests(ecr, untrained)[untrained.tag]


@only_one_region
def test_a_rebuild_pushes_what_ecr_has(project: Project, ecr: Any, docker: Docker, region: str) -> None:
    own = planned(project, region)[0]
    ecr.create_repository(repositoryName=own.repository)
    put(ecr, own, own.tag, "new")
    push(["own"], rebuild=True)
    assert [words[0] for words in docker.work] == ["login", "buildx", "push", "push"]


@only_one_region
def test_a_policy_that_is_there_is_left_alone(project: Project, ecr: Any, docker: Docker, region: str) -> None:
    own = planned(project, region)[0]
    theirs = json.dumps(pull_policy(Environment("dev", "210987654321", region)))
    ecr.create_repository(repositoryName=own.repository)
    ecr.set_repository_policy(repositoryName=own.repository, policyText=theirs)
    push(["own"])
    assert json.loads(ecr.get_repository_policy(repositoryName=own.repository)["policyText"]) == json.loads(theirs)
    assert len(docker.work) == 4


@only_one_region
def test_the_password_is_in_no_argument_output_or_error(
    ecr: Any, docker: Docker, capsys: pytest.CaptureFixture[str]
) -> None:
    del ecr
    docker.answers("login", "print(note['stdin'], 'is wrong', file=sys.stderr)\nsys.exit(3)\n")
    with pytest.raises(CommandError, match=r"docker login .* ended with 3: \*\*\* is wrong") as raised:
        push(["own"])
    said = capsys.readouterr()
    assert PASSWORD not in str(raised.value) + said.out + said.err + json.dumps([c["words"] for c in docker.calls])


@only_one_region
def test_the_users_docker_configuration_is_used_but_not_written(ecr: Any, docker: Docker) -> None:
    del ecr
    own = Path.home() / ".docker"
    (own / "contexts").mkdir(parents=True)
    theirs = {"auths": {"registry.example": {}}, "credsStore": "desktop", "currentContext": "far", "proxies": {"a": {}}}
    (own / "config.json").write_text(json.dumps(theirs))
    push(["own"])
    (login,) = [call for call in docker.calls if call["words"][0] == "login"]
    host = login["words"][-1]
    assert login["settings"] == {
        "currentContext": "far",
        "proxies": {"a": {}},
        "auths": {"registry.example": {}, host: {}},
        "credHelpers": {"registry.example": "desktop"},
    }
    assert login["linked"] == ["contexts"]
    assert login["config"] != str(own)
    assert not Path(login["config"]).exists()
    assert json.loads((own / "config.json").read_text()) == theirs


@only_one_region
def test_a_base_image_of_aws_is_logged_in_to_in_its_own_region(project: Project, ecr: Any, docker: Docker) -> None:
    del ecr
    (project.algorithms / "own" / "container" / "Dockerfile").write_text(f"FROM {LEARNING}/pytorch-training:2.6\n")
    build(["own"])
    assert [words[0] for words in docker.work] == ["login", "buildx"]
    assert docker.work[0][-1] == LEARNING


@only_one_region
def test_a_build_that_fails_ends_with_dockers_last_line_and_pushes_nothing(ecr: Any, docker: Docker) -> None:
    del ecr
    docker.answers("buildx", "if words[1] == 'build':\n    print('#4 ERROR: no such package')\n    sys.exit(1)\n")
    with pytest.raises(CommandError, match="ended with 1: #4 ERROR: no such package"):
        push(["own"])
    assert [words[0] for words in docker.work] == ["login", "buildx"]


@only_one_region
def test_an_image_that_sagemaker_would_refuse_is_told(
    project: Project, ecr: Any, docker: Docker, region: str, capsys: pytest.CaptureFixture[str]
) -> None:
    own = planned(project, region)[0]
    ecr.create_repository(repositoryName=own.repository)
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}
    ecr.put_image(
        repositoryName=own.repository,
        imageManifest=json.dumps(index),
        imageManifestMediaType=index["mediaType"],
        imageTag=own.tag,
    )
    push(["own"], rebuild=True)
    assert "is application/vnd.oci.image.index.v1+json, and SageMaker's endpoints run" in capsys.readouterr().err
    assert docker.work


def test_a_build_needs_no_account_and_names_images_as_the_local_cloud_does(docker: Docker, project: Project) -> None:
    build()
    images = plan_images(load_catalogue(project.algorithms).checked(), Environment())
    assert docker.work == [image.build.arguments for image in images]
    assert images[0].uri() == "000000000000.dkr.ecr.us-east-1.amazonaws.com/headrace/own:latest"


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("command", [build, push])
def test_a_dry_run_needs_neither_docker_nor_an_account(
    command: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    command(dry_run=True, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert [image["repository"] for image in told["images"]] == ["headrace/own", "headrace/untrained"]
    assert told["images"][0]["folder"] == "algorithms/own/container"
    operations = [step["call"] for step in told["steps"] if "call" in step]
    assert ("ecr:create_repository" in operations) == (command is push)
    assert sum(step.get("command", [""])[1:3] == ["buildx", "build"] for step in told["steps"]) == 2


@pytest.mark.usefixtures("project")
def test_a_dry_run_is_written_for_people_too() -> None:
    planned = headrace("images", "push", "--dry-run", "-a", "own", "--stage", "prod")
    assert planned.returncode == 0, planned.stderr
    lines = planned.stdout.splitlines()
    assert lines[1].startswith("aws ecr create-repository --region us-east-1 ")
    assert lines[1].endswith("  # if there is no such repository")
    assert lines[-1].startswith("docker push 000000000000.dkr.ecr.us-east-1.amazonaws.com/headrace/own:latest")


@pytest.mark.usefixtures("project")
def test_a_dry_run_takes_the_region_of_the_profile(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "cn-northwest-1")
    push(dry_run=True)
    assert "000000000000.dkr.ecr.cn-northwest-1.amazonaws.com.cn/" in capsys.readouterr().out


@pytest.mark.usefixtures("project")
def test_without_docker_one_line_says_so_and_what_to_do() -> None:
    with pytest.raises(
        CommandError, match=r"^docker is not installed; `--dry-run` says what would be done.*$"
    ) as raised:
        build()
    assert "\n" not in str(raised.value)


@pytest.mark.usefixtures("project")
def test_without_an_engine_one_line_says_so(docker: Docker) -> None:
    docker.answers("version", "print('Cannot connect to\\nthe daemon', file=sys.stderr)\nsys.exit(1)\n")
    with pytest.raises(CommandError, match=r"^no docker engine answers: Cannot connect to the daemon; .*--dry-run"):
        build()
    assert not docker.work


@pytest.mark.usefixtures("project")
def test_an_algorithm_without_an_image_to_build_is_refused() -> None:
    with pytest.raises(UsageError, match="framework: has no image of its own to build"):
        build(["framework"])
    with pytest.raises(UsageError, match="nothing: no such algorithm; there are framework, own, untrained"):
        build(["nothing"])


def test_a_push_without_a_region_or_an_account_says_what_is_missing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    del project
    with pytest.raises(CommandError, match="no AWS region to push to; set AWS_DEFAULT_REGION"):
        push()
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with pytest.raises(CommandError, match="no AWS account to push to: Unable to locate credentials"):
        push()


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_docker_too(docker: Docker, number: signal.Signals) -> None:
    docker.answers("buildx", "if words[1] == 'build':\n    print('building', flush=True)\n    sys.stdin.close()\n"
                   "    import signal\n    signal.pause()\n")  # fmt: skip
    with subprocess.Popen([str(HEADRACE), "images", "build"], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "building" in process.stderr.readline()
        process.send_signal(number)
        process.wait(20)
    assert process.returncode != 0
    with pytest.raises(ProcessLookupError):
        os.kill(docker.calls[-1]["pid"], 0)
    assert not Path(docker.calls[-1]["config"]).exists()
