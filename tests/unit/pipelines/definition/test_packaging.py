"""Package: an archive that was trained by somebody else's script gets the scripts that serve it."""

import json
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from pipelines.definition.document import steps_of
from tests.walk.cloud import ROOT

GOLDENS = ROOT / "tests" / "golden" / "pipelines"


def steps(algorithm: str) -> dict[str, dict[str, Any]]:
    return {step["Name"]: step for step in steps_of(json.loads((GOLDENS / f"{algorithm}.json").read_text()))}


def archive(file: Path, **members: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name.replace("__", "/"))
            member.size = len(content)
            tar.addfile(member, BytesIO(content.encode()))


def run(folder: Path) -> "subprocess.CompletedProcess[str]":
    """The step's own command, in a folder that stands for the container's."""
    *shell, command = steps("yolov5")["Package"]["Arguments"]["AppSpecification"]["ContainerEntrypoint"]
    assert len(command) <= 256  # What CreateProcessingJob takes.
    here = command.replace("/opt/ml/processing", str(folder))
    return subprocess.run([*shell, here], capture_output=True, text=True, check=False)


def test_the_archive_keeps_its_model_and_gets_the_scripts(tmp_path: Path) -> None:
    archive(tmp_path / "model" / "model.tar.gz", tutorial__weights__best="weights")
    archive(tmp_path / "serving" / "sourcedir.tar.gz", inference="script")
    assert run(tmp_path).returncode == 0
    with tarfile.open(tmp_path / "packaged" / "model.tar.gz") as tar:
        names = {name.removeprefix("./") for name in tar.getnames()}
    assert {"tutorial/weights/best", "code/inference"} <= names


def test_an_archive_that_is_cut_short_fails_the_step(tmp_path: Path) -> None:
    archive(tmp_path / "model" / "model.tar.gz", best="weights" * 1000)
    archive(tmp_path / "serving" / "sourcedir.tar.gz", inference="script")
    whole = (tmp_path / "model" / "model.tar.gz").read_bytes()
    (tmp_path / "model" / "model.tar.gz").write_bytes(whole[: len(whole) // 2])
    assert run(tmp_path).returncode != 0


def test_the_packaged_model_is_registered_and_serves_the_scripts_in_it() -> None:
    container = steps("yolov5")["Register"]["Arguments"]["InferenceSpecification"]["Containers"][0]
    assert "Steps.Package." in json.dumps(container["ModelDataUrl"])
    assert container["Environment"]["SAGEMAKER_SUBMIT_DIRECTORY"] == "/opt/ml/model/code"


@pytest.mark.parametrize("algorithm", ["digits", "gabsa", "cpt", "gluonts", "gradient_boosting", "decision_trees"])
def test_scripts_that_training_knows_need_no_step_of_their_own(algorithm: str) -> None:
    assert "Package" not in steps(algorithm)
