"""Public clients of SageMaker, unmodified, against one local cloud: scripts/ as subprocesses, all at once."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.walk.cloud import ROOT, Cloud

SCRIPTS = Path(__file__).with_name("scripts")
AWS = ROOT / ".venv-tools" / "bin" / "aws"
_SECONDS = 240.0

# One worker runs them all: they share the cloud, and most of what they do is waiting.
pytestmark = pytest.mark.xdist_group("sdk")


@dataclass(frozen=True, slots=True)
class Ran:
    """A script that has ended."""

    said: str
    results: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Scripts:
    """Every script, each under way or done."""

    running: Mapping[str, "Future[Ran]"]

    def ran(self, name: str) -> Ran:
        return self.running[name].result(_SECONDS)

    def use(self, name: str) -> Mapping[str, Any]:
        """What one use of clients.py saw."""
        found: Mapping[str, Any] = self.ran("clients").results[name]
        assert "error" not in found, found["error"]
        return found


def environment(cloud: Cloud, folder: Path) -> dict[str, str]:
    """AWS_ENDPOINT_URL and made-up credentials.

    Telemetry of the SDK ends at a proxy that is not there. A configuration that opts out of it is checked against its
    schema, and the schema against its own, whenever the SDK looks up a default: three quarters of its time.
    """
    configuration = folder / "config.yaml"
    configuration.write_text("{}")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "GIT_", "COV", "PYTHON"))}
    return kept | {
        "AWS_ENDPOINT_URL": cloud.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(configuration),
        "https_proxy": "http://127.0.0.1:9",
        "no_proxy": "127.0.0.1,localhost",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{_repository(folder)}.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://git.local/repo.git",
    }


def _repository(folder: Path) -> Path:
    """The source folder as a git repository; once."""
    place = folder / "repository"
    if not place.exists():
        shutil.copytree(SCRIPTS / "source", place / "source")
        for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "source"]):
            who = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
            subprocess.run(["git", *who, *words], cwd=place, check=True, capture_output=True)
    return place


@pytest.fixture(scope="module")
def scripts(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scripts]:
    folder = tmp_path_factory.mktemp("sdk")
    variables = environment(cloud, folder)
    # Repacking, the SDK writes its own program beside the source.
    place = Path(shutil.copytree(SCRIPTS, folder / "scripts"))
    commands = {
        "clients": [str(place / "clients.py")],
        "abalone": [str(place / "abalone" / "pipeline.py"), "--transform"],
        "churn": [str(place / "churn" / "pipeline.py")],
    }

    def run(name: str) -> Ran:
        results = folder / f"{name}.json"
        words = [sys.executable, "-W", "ignore", *commands[name], str(results)]
        done = subprocess.run(
            words, env=variables, cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, said[-4000:]
        return Ran(said, json.loads(results.read_text()) if results.is_file() else {})

    with ThreadPoolExecutor(len(commands)) as pool:
        yield Scripts({name: pool.submit(run, name) for name in commands})


def test_the_command_line_lists_describes_and_asks(cloud: Cloud, tmp_path: Path) -> None:
    def aws(*words: str) -> Any:
        done = subprocess.run(
            [str(AWS), *words, "--output", "json"], env=environment(cloud, tmp_path), capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout or "{}")

    group = "cli-packages"
    created = aws("sagemaker", "create-model-package-group", "--model-package-group-name", group)
    assert created["ModelPackageGroupArn"].endswith(f":model-package-group/{group}")
    listed = aws("sagemaker", "list-model-package-groups", "--name-contains", "cli-")
    assert [one["ModelPackageGroupName"] for one in listed["ModelPackageGroupSummaryList"]] == [group]
    aws("sagemaker", "delete-model-package-group", "--model-package-group-name", group)
    assert aws("sagemaker", "list-pipelines", "--max-results", "5")["PipelineSummaries"]


def test_fit_shows_the_logs_and_the_built_in_algorithm_is_served(scripts: Scripts) -> None:
    seen = scripts.use("algorithm")
    assert seen["status"] == "InService"
    assert float(seen["answer"][0][0]) == pytest.approx(32, abs=2)
    assert {"train:rmse", "validation:rmse"} <= set(seen["metrics"])
    assert "validation-rmse:" in scripts.ran("clients").said


def test_a_framework_estimator_trains_and_serves_its_source_folder(scripts: Scripts) -> None:
    seen = scripts.use("script")
    assert seen["answer"] == pytest.approx([32, 62])
    assert seen["metrics"] == {"score": 0.75}


def test_a_framework_estimator_takes_its_source_from_git(scripts: Scripts) -> None:
    assert scripts.use("git")["data"]


def test_an_asynchronous_predictor_gets_its_results(scripts: Scripts) -> None:
    seen = scripts.use("asynchronous")
    assert float(seen["answer"][0][0]) == pytest.approx(32, abs=2)
    assert len(seen["later"][0]) == 2


def test_a_transformer_writes_a_line_for_a_line(scripts: Scripts) -> None:
    assert len(scripts.use("transform")["rows"]) == 3


def test_script_and_framework_processors_run_their_code(scripts: Scripts) -> None:
    assert [count.strip() for count in scripts.use("process")["counts"]] == ["3 a b", "3"]


def test_a_tuner_finds_its_best_job(scripts: Scripts) -> None:
    seen = scripts.use("tune")
    assert (seen["jobs"], bool(seen["best"])) == (2, True)


def test_a_model_package_is_deployed_by_its_arn(scripts: Scripts) -> None:
    seen = scripts.use("package")
    assert seen["arn"].endswith(":model-package/sdk-packages/1")
    assert float(seen["answer"][0][0]) == pytest.approx(32)


def test_a_pipeline_of_every_other_step_type_succeeds(scripts: Scripts) -> None:
    seen = scripts.use("steps")
    assert seen["status"] == "Succeeded", (seen["why"], seen["reasons"])
    assert set(seen["steps"].values()) == {"Succeeded"}
    assert {"Packed-RepackModel-0", "Tune", "Ask", "Tell", "Transform", "Best-CreateModel"} <= set(seen["steps"])


def test_the_abalone_pipeline_decides_on_its_report_and_is_cached(scripts: Scripts) -> None:
    lines = scripts.ran("abalone").said.splitlines()
    assert "AbaloneRegisterModel-RegisterModel Succeeded " in lines
    assert "AbaloneTransform Succeeded " in lines
    assert "second run: AbaloneTrain Succeeded True" in lines
    assert "second run: Execution failed due to MSE > 0.001" in lines


def test_a_pipeline_in_the_older_style_registers_and_serves_a_pickled_model(scripts: Scripts) -> None:
    lines = scripts.ran("churn").said.splitlines()
    assert "ChurnRegister-RegisterModel Succeeded " in lines
    scores = next(line for line in lines if line.startswith("scores ")).split()[1].split(",")
    assert float(scores[0]) > 0.9 > 0.1 > float(scores[1])


@pytest.mark.parametrize("template", ["training", "inference"])
def test_a_template_of_the_stepfunctions_sdk_succeeds(scripts: Scripts, template: str) -> None:
    seen = scripts.use(template)
    assert (seen["status"], seen["last"]) == ("SUCCEEDED", [])
