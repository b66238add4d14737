"""What commands say without a cloud: answers, errors, exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.api.settings import hyperparameters
from cli.main import app
from tests.walk.cloud import HEADRACE, ROOT, copy_project


def headrace(*words: str, cwd: Path = ROOT, **variables: str) -> "subprocess.CompletedProcess[str]":
    command, environment = [str(HEADRACE), *words], {**os.environ, **variables}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return copy_project(tmp_path / "project")


def test_every_command_explains_itself() -> None:
    listed = headrace("--help").stdout
    for command in (
        "up",
        "demo",
        "train",
        "faces",
        "chain",
        "status",
        "stop",
        "rerun",
        "logs",
        "compare",
        "lineage",
        "jobs",
        "models",
        "approve",
        "reject",
        "endpoints",
        "predict",
        "rollback",
        "delete-endpoint",
        "compile",
        "deploy",
        "publish",
        "algorithms",
        "images",
        "torchserve",
    ):
        assert command in listed
        assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0


def test_the_version_is_the_package_s() -> None:
    assert headrace("--version").stdout == "headrace 0.1.0\n"


def test_algorithms_are_listed_for_people_and_for_programs() -> None:
    assert "decision_trees" in headrace("algorithms", "list").stdout
    listed = {one["name"]: one for one in json.loads(headrace("algorithms", "list", "--json").stdout)}
    assert list(listed) == sorted(folder.parent.name for folder in (ROOT / "algorithms").glob("*/algorithm.yaml"))
    assert listed["decision_trees"]["local"] == {"runs": True}
    assert "GitHub" in listed["yolov5"]["local"]["reason"]
    assert "yolov5" in listed["yolov5paddleocr"]["local"]["reason"]


def test_a_new_algorithm_is_a_copy_that_checks_out(project: Path) -> None:
    made = headrace("algorithms", "new", "churn", "--like", "decision_trees", cwd=project)
    assert made.returncode == 0, made.stderr
    assert "churn" in json.loads(headrace("algorithms", "check", "--json", cwd=project).stdout)["algorithms"]
    again = headrace("algorithms", "new", "churn", cwd=project)
    assert again.returncode == 2
    assert "is there already" in again.stderr


@pytest.mark.parametrize("name", ["Churn", "a b", "../up", "x" * 31, ""])
def test_a_name_that_cannot_be_one_is_refused(project: Path, name: str) -> None:
    before = sorted(project.rglob("*"))
    assert headrace("algorithms", "new", name, cwd=project).returncode == 2
    assert sorted(project.rglob("*")) == before


def test_every_problem_of_a_catalogue_is_named(project: Path) -> None:
    file = project / "algorithms" / "decision_trees" / "algorithm.yaml"
    file.write_text(file.read_text().replace("instance_count: 1", "instance_count: two") + "\ncolour: red\n")
    said = headrace("algorithms", "check", cwd=project)
    assert said.returncode == 2
    assert "algorithms/decision_trees/algorithm.yaml: training.instance_count: expected" in said.stderr
    assert "colour" in said.stderr


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["train", "decision_trees", "nowhere.csv"], 2, "nowhere.csv: no such file"),
        (["train", "decision_trees", "--set", "epochs"], 2, "--set: expected name=value, found 'epochs'"),
        (["algorithms", "show", "nobody"], 2, "nobody: no such algorithm"),
        (["jobs", "--api-url", "http://127.0.0.1:9"], 1, "headrace up"),
        (["status", "X", "--api-url", "http://127.0.0.1:9"], 1, "headrace up"),
        (["jobs", "--limit", "many"], 2, "limit"),
        (["up", "--state-dir", "/proc/nowhere"], 1, "/proc/nowhere"),
        (["up", "--state-dir", sys.executable], 1, sys.executable),
    ],
)
def test_an_error_is_a_sentence_and_an_exit_code(words: list[str], code: int, expected: str) -> None:
    said = headrace(*words)
    assert said.returncode == code, said.stderr
    assert expected in said.stderr.replace("\n", "")
    assert "Traceback" not in said.stderr
    assert said.stdout == ""


def test_outside_a_project_the_installed_one_is_used(tmp_path: Path) -> None:
    assert headrace("algorithms", "check", cwd=tmp_path).returncode == 0


def test_what_is_committed_is_in_step_with_its_sources(cache: Path) -> None:
    said = headrace("compile", "--check", HEADRACE_CACHE_DIR=str(cache.parent))
    assert said.returncode == 0, said.stderr


def test_hyperparameters_are_numbers_where_they_can_be() -> None:
    given = ["epochs=5", "rate=0.5", "target=Species", 'version="1"', "flag=true", "empty="]
    expected = {"epochs": 5, "rate": 0.5, "target": "Species", "version": "1", "flag": "true", "empty": ""}
    assert hyperparameters(given) == expected
