"""A mistake in a file ends every command that reads the catalogue: one line, exit code 2, and nothing was done."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from typer.testing import CliRunner

from cli.deployment.catalogue import publish_catalogue
from cli.errors import UsageError
from cli.main import app
from cli.project.checkout import Project
from pipelines.environment import Environment
from tests.unit.pipelines.catalogues import FRAMEWORK, OWN, write_catalogue

HEADRACE = Path(sys.executable).parent / "headrace"
FILE = "algorithms/framework/algorithm.yaml"

Break = Callable[[Path], None]


def text(old: str, new: str) -> Break:
    """Change the file's text."""

    def break_it(folder: Path) -> None:
        file = folder / "algorithm.yaml"
        assert old in file.read_text("utf-8")
        file.write_text(file.read_text("utf-8").replace(old, new, 1), "utf-8")

    return break_it


def link(folder: Path) -> None:
    (folder / "source" / "data").symlink_to("/etc")


def large(folder: Path) -> None:
    with (folder / "source" / "weights.bin").open("wb") as weights:
        weights.truncate(300 * 1024 * 1024)


def gone(folder: Path) -> None:
    repository = folder.parent.parent / "repository"
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.test"]
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    subprocess.run(["git", *identity, "commit", "-q", "--allow-empty", "-m", "x"], cwd=repository, check=True)
    text("  source_dir: source", f"  source_dir: source\n  git: {{repo: '{repository}', branch: gone}}")(folder)


MISTAKES: dict[str, tuple[Break, str]] = {
    "unknown key": (
        text("title:", "colour: red\ntitle:"),
        'colour: expected one of the keys name, title, [^:]*, found "colour"',
    ),
    "image and framework": (
        text("framework:", "image: {build: container}\nframework:"),
        "framework: expected exactly one of image, framework and chain, found image and framework",
    ),
    "missing channel": (
        text("  test:\n    required: false\n", ""),
        "channels.test: expected a channel to evaluate on, found nothing",
    ),
    "range violated": (
        text("default: 4", "default: 99"),
        r"hyperparameters.max_depth.default: expected a number <= 64 \(maximum\), found 99",
    ),
    "no YAML": (text("title:", "title: ]"), r"line 2, column 8: expected [^:]*, but found '\]'"),
    "folder outside": (
        text("source_dir: source", "source_dir: ../own"),
        r"framework.source_dir: expected a folder inside the algorithm's folder, found \"../own\"",
    ),
    "link outside": (
        link,
        'framework.source_dir: source/data: expected nothing that leaves the algorithm.s folder, found "link to /etc"',
    ),
    "300 MB": (large, "framework.source_dir: source: expected at most 250 MB unpacked, found 300 MB"),
    "branch that is gone": (gone, 'framework.git.branch: expected a branch or tag of .*/repository, found "gone"'),
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with two algorithms."""
    (tmp_path / "template.yaml").write_text("Resources: {}\n")
    write_catalogue(tmp_path, OWN, FRAMEWORK)
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_and_nothing_is_written(project: Project, mistake: str) -> None:
    break_it, line = MISTAKES[mistake]
    break_it(project.algorithms / "framework")
    before = sorted(place for place in project.root.rglob("*") if "repository" not in place.parts)
    done = CliRunner().invoke(app, ["compile"])
    assert isinstance(done.exception, UsageError)
    assert done.exception.exit_code == 2
    (said,) = str(done.exception).splitlines()
    assert re.fullmatch(f"{FILE}: {line}", said), said
    after = sorted(place for place in project.root.rglob("*") if "repository" not in place.parts)
    assert [place for place in after if ".headrace" not in place.parts] == before


class Untouched:
    """A client of AWS that nobody may call."""

    def __init__(self, service: str) -> None:
        self._service = service

    def __getattr__(self, name: str) -> NoReturn:
        raise AssertionError(f"{self._service}: called {name}")


@pytest.mark.parametrize("mistake", ["range violated", "branch that is gone"])
def test_a_catalogue_with_a_mistake_is_not_published_in_part(project: Project, mistake: str) -> None:
    break_it, line = MISTAKES[mistake]
    break_it(project.algorithms / "framework")
    with pytest.raises(UsageError, match=line):
        publish_catalogue(project, Environment(), Untouched, lambda _: None)


def test_the_process_ends_with_2(project: Project) -> None:
    text("default: 4", "default: 99")(project.algorithms / "framework")
    done = subprocess.run(
        [str(HEADRACE), "algorithms", "check"], cwd=project.root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        f"error: {FILE}: hyperparameters.max_depth.default: expected a number <= 64 (maximum), found 99\n"
    )
