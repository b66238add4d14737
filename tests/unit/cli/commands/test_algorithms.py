"""`algorithms new`, `show` and `list`: a new folder is in order at once, and every value says where it is from."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.commands.algorithms.origins import origins
from cli.main import app
from cli.starters import STARTERS, specification
from pipelines.catalogue import load_algorithm
from tests.walk.cloud import ROOT


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose catalogue holds one algorithm."""
    root = tmp_path / "project"
    shutil.copytree(ROOT / "algorithms" / "decision_trees", root / "algorithms" / "decision_trees")
    (root / "template.yaml").touch()
    monkeypatch.chdir(root)
    monkeypatch.delenv("HEADRACE_CACHE_DIR", raising=False)
    return root


def headrace(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, words)
    return done.exit_code, done.output


@pytest.mark.parametrize("framework", STARTERS)
def test_every_framework_has_a_starter_that_checks_out(project: Path, framework: str) -> None:
    code, said = headrace("algorithms", "new", "churn_risk", "--framework", framework)
    assert code == 0, said
    algorithm, problems = load_algorithm(project / "algorithms" / "churn_risk")
    assert algorithm is not None
    assert not problems
    assert algorithm.spec.framework is not None
    assert algorithm.spec.framework.name.value == framework
    assert (project / "algorithms" / "churn_risk" / "samples" / "iris.csv").is_file()


def test_an_own_image_starts_from_one_that_works(project: Path) -> None:
    assert headrace("algorithms", "new", "churn", "--image")[0] == 0
    assert (project / "algorithms" / "churn" / "container" / "Dockerfile").is_file()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--framework", "fortran"], "expected one of sklearn, xgboost"),
        (["--framework", "sklearn", "--image"], "expected one of --framework, --image and --like, found several"),
        (["--like", "nobody"], "nobody: no such algorithm; there are decision_trees"),
    ],
)
def test_a_start_that_cannot_be_leaves_nothing(project: Path, words: list[str], expected: str) -> None:
    before = sorted(project.rglob("*"))
    done = CliRunner().invoke(app, ["algorithms", "new", "churn", *words])
    assert done.exception is not None
    assert expected in str(done.exception)
    assert sorted(project.rglob("*")) == before


def test_a_folder_that_would_not_check_out_is_not_left_behind(project: Path) -> None:
    file = project / "algorithms" / "decision_trees" / "container"
    (file / "outside").symlink_to("/etc/hostname")
    done = CliRunner().invoke(app, ["algorithms", "new", "churn", "--like", "decision_trees"])
    assert done.exception is not None
    assert not (project / "algorithms" / "churn").exists()


def test_each_value_says_its_line_or_that_it_is_a_default() -> None:
    text = specification(STARTERS["sklearn"], "churn")
    document = {"name": "churn", "training": {"instance_count": 1, "input_mode": "File"}, "tags": {}}
    found = origins(document, text, "algorithm.yaml")
    lines = text.splitlines()
    assert lines[int(found["name"].partition(":")[2]) - 1] == "name: churn"
    assert "instance_count: 1" in lines[int(found["training.instance_count"].partition(":")[2]) - 1]
    assert found["training.input_mode"] == found["tags"] == "default"


@pytest.mark.usefixtures("project")
def test_show_gives_the_specification_its_origins_and_what_it_becomes(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_CACHE_DIR", str(cache.parent))
    code, said = headrace("algorithms", "show", "decision_trees", "--json")
    assert code == 0, said
    shown = json.loads(said[said.index("{") :])
    assert shown["evaluation"]["metric"] == "accuracy"
    assert shown["origins"]["training.input_mode"] == "default"
    assert shown["resolved"]["pipeline"] == "headrace-dev-decision-trees"
    assert shown["resolved"]["local"] == {"runs": True}
