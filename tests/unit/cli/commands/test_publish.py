"""`headrace publish`: what it says, what it refuses, and with which exit code. AWS is moto."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.commands.publish import Part, publish
from cli.errors import CommandError, UsageError
from cli.project.checkout import Project
from pipelines.publishing.publication import Publication
from tests.unit.cli.commands.machines import forget_account
from tests.unit.pipelines.catalogues import OWN, UNTRAINED, write_algorithm, write_catalogue
from tests.unit.pipelines.deployment import ENVIRONMENT, deployment

# What they share is made once: one worker runs them all.
pytestmark = pytest.mark.xdist_group("publish")

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def project(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A small project, which is the working directory, on a machine without an AWS account."""
    write_catalogue(tmp_path, OWN, UNTRAINED)
    (tmp_path / "template.yaml").write_text("Resources: {}\n")
    shutil.copy(ROOT / "samconfig.toml", tmp_path)
    forget_account(monkeypatch)
    monkeypatch.setenv("HEADRACE_CACHE_DIR", str(cache.parent))
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


@pytest.fixture
def target(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publication]:
    """The same machine with an account, and the stack in it."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", ENVIRONMENT.region)
    assert project.root.is_dir()
    with deployment() as publication:
        yield publication


CATALOGUE = [Part.SOURCES, Part.PIPELINES]


def rows(target: Publication) -> dict[str, Any]:
    found = target.clients.dynamodb.scan(TableName=ENVIRONMENT.algorithms_table)["Items"]
    return {item["name"]["S"]: item for item in found}


def test_the_plan_is_a_table_and_nothing_else_happens(target: Publication, capsys: pytest.CaptureFixture[str]) -> None:
    publish(plan=True, only=CATALOGUE)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["ACTION", "KIND", "NAME", "WHAT", "BYTES"]
    told = [line.split() for line in lines]
    assert ["create", "pipeline", "headrace-dev-own"] in [words[:3] for words in told]
    # One line for a source, however many objects it is.
    (source,) = (words for words in told if words[1:2] == ["source"])
    assert (source[2].partition("/")[0], source[3:5]) == ("untrained", ["1", "object"])
    assert ["create", "parameter", "own", "industrialmodels,"] in [words[:4] for words in told]
    assert lines[-1].startswith("headrace-dev in account 123456789012, region us-east-1: ")
    assert lines[-1].endswith(" to change, 0 unchanged")
    assert rows(target) == {}
    assert target.clients.s3.list_objects_v2(Bucket=ENVIRONMENT.artifacts_bucket)["KeyCount"] == 0


def test_a_second_time_says_that_there_is_nothing_to_change(
    target: Publication, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(only=CATALOGUE)
    before = rows(target)
    assert before.keys() == {"own", "untrained"}
    said = capsys.readouterr()
    assert said.out.splitlines()[-1].endswith(" changes made")
    assert "pipeline headrace-dev-own created" in said.err
    publish(only=CATALOGUE)
    said = capsys.readouterr()
    (line,) = said.out.splitlines()
    assert ": nothing to change, " in line
    assert said.err == ""
    assert rows(target) == before


def test_an_algorithm_that_is_gone_is_removed_when_the_whole_is_published(
    target: Publication, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(only=CATALOGUE)
    shutil.rmtree(project.algorithms / "own")
    publish(algorithm=["untrained"])
    assert rows(target).keys() == {"own", "untrained"}
    capsys.readouterr()
    publish(only=CATALOGUE, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["stage"], told["account"], told["applied"]) == ("dev", "123456789012", True)
    assert [(change["kind"], change["action"]) for change in told["changes"]][:2] == [
        ("algorithm", "delete"),
        ("pipeline", "delete"),
    ]
    assert told["unchanged"] > 0
    assert told["notes"] == ["own: its endpoint, model packages, jobs and uploaded objects stay"]
    assert rows(target).keys() == {"untrained"}


def test_a_catalogue_with_problems_publishes_and_removes_nothing(target: Publication, project: Project) -> None:
    publish(only=CATALOGUE)
    before = rows(target)
    shutil.rmtree(project.algorithms / "own")
    write_algorithm(project.algorithms, {**UNTRAINED, "colour": "red"})
    with pytest.raises(UsageError, match=r"algorithms/untrained/algorithm\.yaml: colour: expected"):
        publish(only=CATALOGUE)
    assert rows(target) == before


def test_the_console_is_part_of_it_once_it_is_built(target: Publication, project: Project) -> None:
    with pytest.raises(UsageError, match="web/dist: expected the built console, found no such folder"):
        publish(only=[Part.CONSOLE])
    (project.root / "web" / "dist").mkdir(parents=True)
    (project.root / "web" / "dist" / "index.html").write_text("<p>")
    publish(only=[Part.CONSOLE])
    listed = target.clients.s3.list_objects_v2(Bucket=ENVIRONMENT.artifacts_bucket)["Contents"]
    assert [item["Key"] for item in listed] == ["console/index.html"]
    assert rows(target) == {}


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"stage": "qa"}, "no stage qa"),
        ({"algorithm": ["nobody"]}, "nobody: no such algorithm"),
        ({"algorithm": ["own"], "only": [Part.FUNCTIONS]}, "--algorithm: expected sources or pipelines"),
    ],
)
def test_what_does_not_fit_is_refused_before_anyone_is_asked(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        publish(**options)


@pytest.mark.usefixtures("project")
def test_without_an_account_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with pytest.raises(CommandError, match="no AWS account to deploy to: Unable to locate credentials"):
        publish()


def test_a_stage_that_is_not_deployed_is_named(target: Publication) -> None:
    target.clients.dynamodb.delete_table(TableName=ENVIRONMENT.algorithms_table)
    with pytest.raises(CommandError, match=r"^no deployment headrace-dev .*`headrace deploy --stage dev` makes one"):
        publish(only=CATALOGUE)
