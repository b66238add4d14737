"""`headrace deploy` before and after SAM: what it refuses, what it prints, what it makes of SAM's answer.

SAM itself is a script here, AWS is moto; the real ones meet in tests/walk/test_deploy.py.
"""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from cli.commands.deploy import deploy, sam, was_declined
from cli.errors import CommandError, UsageError
from cli.project.checkout import Project
from cli.project.stages import stack_of
from tests.unit.cli.commands.machines import forget_account
from tests.unit.memory import mock_aws
from tests.unit.pipelines.catalogues import FRAMEWORK, OWN, UNTRAINED, write_catalogue

ROOT = Path(__file__).resolve().parents[4]
HEADRACE = Path(sys.executable).parent / "headrace"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A small project, which is the working directory, on a machine without SAM and without an AWS account."""
    write_catalogue(tmp_path, OWN, FRAMEWORK, UNTRAINED)
    (tmp_path / "template.yaml").touch()
    shutil.copy(ROOT / "samconfig.toml", tmp_path)
    forget_account(monkeypatch)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("HEADRACE_CACHE_DIR", raising=False)
    monkeypatch.delenv("SAM_CLI_TELEMETRY", raising=False)
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


@pytest.fixture
def with_account(project: Project) -> Iterator[Project]:
    """The same project on a machine with an AWS account."""
    with mock_aws():
        yield project


@pytest.fixture
def cloudformation() -> Iterator[tuple[Any, Stubber]]:
    """CloudFormation as its service model describes it, with the answers that a test gives it."""
    client = boto3.client("cloudformation", "eu-central-1", aws_access_key_id="test", aws_secret_access_key="test")
    with Stubber(client) as stubber:
        yield client, stubber


def install_sam(project: Project, script: str) -> None:
    """A `sam` that notes how it was called and does what `script` says."""
    beside = project.root / ".venv-tools" / "bin" / "sam"
    beside.parent.mkdir(parents=True)
    beside.write_text(f'#!/bin/sh\necho "$*" >> calls\n{script}\n')
    beside.chmod(0o755)


def calls(project: Project) -> list[str]:
    """How `sam` was called, in order."""
    noted = project.root / "calls"
    return noted.read_text().splitlines() if noted.exists() else []


def headrace(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([str(HEADRACE), *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_the_plan_names_every_step_and_needs_neither_sam_nor_an_account(project: Project) -> None:
    planned = headrace("deploy", "--stage", "staging", "--plan")
    assert planned.returncode == 0, planned.stderr
    assert planned.stdout.splitlines() == [
        "sam build --config-env staging",
        "sam deploy --config-env staging --no-fail-on-empty-changeset",
        "headrace images push --stage staging  # by hand, as it needs Docker",
        "publish framework",
        "publish own",
        "publish untrained",
    ]
    assert not calls(project)


@pytest.mark.usefixtures("project")
def test_an_error_is_a_sentence_on_standard_error_and_an_exit_code() -> None:
    failed = headrace("deploy")
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert failed.stderr == "error: the SAM CLI is not installed; `make deploy` installs it beside the project\n"


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("plan", [False, True])
def test_a_stage_without_a_section_of_its_own_is_refused(plan: bool) -> None:
    with pytest.raises(UsageError, match=re.escape("samconfig.toml: no stage qa; there are dev, staging, prod")):
        deploy("qa", plan)


@pytest.mark.usefixtures("project")
def test_the_section_default_is_no_stage() -> None:
    with pytest.raises(UsageError, match="no stage default"):
        deploy("default", plan=True)


@pytest.mark.parametrize("overrides", ['["Stage=dev"]', '"Stage=dev LogRetentionDays=7"', "[]"])
def test_a_section_copied_without_its_stage_is_refused(project: Project, overrides: str) -> None:
    (project.root / "samconfig.toml").write_text(
        f'[qa.deploy.parameters]\nstack_name = "headrace-qa"\nparameter_overrides = {overrides}\n'
    )
    with pytest.raises(UsageError, match=re.escape("[qa.deploy.parameters] parameter_overrides: expected Stage=qa")):
        stack_of(project, "qa")


@pytest.mark.parametrize("overrides", ['["LogRetentionDays=7", "Stage=qa"]', '"LogRetentionDays=7 Stage=qa"'])
def test_both_ways_of_writing_overrides_are_read(project: Project, overrides: str) -> None:
    parameters = f'stack_name = "mine"\nparameter_overrides = {overrides}\n'
    (project.root / "samconfig.toml").write_text(f"version = 0.1\n[qa.deploy.parameters]\n{parameters}")
    assert stack_of(project, "qa") == "mine"


def test_a_section_without_a_stack_is_refused(project: Project) -> None:
    (project.root / "samconfig.toml").write_text('[qa.deploy.parameters]\nparameter_overrides = "Stage=qa"\n')
    with pytest.raises(UsageError, match="stack_name: expected headrace-qa"):
        stack_of(project, "qa")


@pytest.mark.parametrize("text", ["[dev", None])
def test_a_samconfig_that_cannot_be_read_is_named(project: Project, text: str | None) -> None:
    file = project.root / "samconfig.toml"
    file.unlink()
    if text is not None:
        file.write_text(text)
    with pytest.raises(UsageError, match=r"samconfig\.toml: cannot be read"):
        stack_of(project, "dev")


def test_sam_on_the_path_comes_before_the_one_beside_the_project(project: Project) -> None:
    install_sam(project, "")
    beside = project.root / ".venv-tools" / "bin" / "sam"
    assert sam(project) == str(beside)
    (project.root / "bin").mkdir()
    on_path = shutil.copy(beside, project.root / "bin" / "sam")
    assert sam(project) == str(on_path)


def test_without_a_region_nothing_is_built(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    install_sam(project, "")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(CommandError, match="no AWS region to deploy to"):
        deploy()
    assert not calls(project)


def test_without_credentials_nothing_is_built(project: Project) -> None:
    install_sam(project, "")
    with pytest.raises(CommandError, match="no AWS account to deploy to: Unable to locate credentials"):
        deploy()
    assert not calls(project)


def test_a_build_that_fails_ends_the_deployment_with_its_exit_code(with_account: Project) -> None:
    install_sam(with_account, '[ "$1" = build ] && exit 3')
    with pytest.raises(CommandError, match=r"sam build --config-env dev: ended with 3$") as raised:
        deploy()
    assert raised.value.exit_code == 1
    assert calls(with_account) == ["build --config-env dev"]


def test_a_stack_that_does_not_come_up_ends_before_anything_is_published(with_account: Project) -> None:
    install_sam(with_account, '[ "$1" = deploy ] && exit 1 || exit 0')
    with pytest.raises(CommandError, match=r"sam deploy --config-env dev --no-fail-on-empty-changeset: ended with 1$"):
        deploy()


def test_a_sam_that_cannot_be_run_is_named(with_account: Project) -> None:
    install_sam(with_account, "")
    beside = with_account.root / ".venv-tools" / "bin" / "sam"
    beside.write_text("#!/nowhere/python\n")
    with pytest.raises(CommandError, match="sam: cannot be run"):
        deploy()


def test_sam_runs_in_the_project_and_sends_nothing_home(with_account: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    install_sam(with_account, 'echo "telemetry $SAM_CLI_TELEMETRY" >> calls; [ "$1" = build ]')
    monkeypatch.chdir(with_account.algorithms / "own")
    with pytest.raises(CommandError, match="ended with 1"):
        deploy()
    assert calls(with_account) == [
        "build --config-env dev",
        "telemetry 0",
        "deploy --config-env dev --no-fail-on-empty-changeset",
        "telemetry 0",
    ]


@pytest.mark.parametrize(
    ("change_sets", "declined"),
    [
        pytest.param([], False, id="none"),
        pytest.param([(1, "EXECUTE_COMPLETE")], False, id="executed"),
        pytest.param([(1, "EXECUTE_COMPLETE"), (2, "AVAILABLE")], True, id="declined"),
        pytest.param([(2, "AVAILABLE"), (1, "EXECUTE_COMPLETE")], True, id="declined, newest first"),
        pytest.param([(1, "AVAILABLE"), (2, "UNAVAILABLE")], False, id="nothing to change since"),
    ],
)
def test_a_change_set_is_declined_when_the_newest_one_still_waits(
    cloudformation: tuple[Any, Stubber], change_sets: list[tuple[int, str]], declined: bool
) -> None:
    client, stubber = cloudformation
    summaries = [
        {"ExecutionStatus": status, "CreationTime": datetime(2026, 11, day, tzinfo=UTC)} for day, status in change_sets
    ]
    # One a page: the newest may stand on any of them.
    pages = [[summary] for summary in summaries] or [[]]
    for number, page in enumerate(pages):
        following = {"NextToken": str(number + 1)} if number + 1 < len(pages) else {}
        asked = {"StackName": "headrace-prod"} | ({"NextToken": str(number)} if number else {})
        stubber.add_response("list_change_sets", {"Summaries": page, **following}, asked)
    assert was_declined(client, "headrace-prod") is declined
    stubber.assert_no_pending_responses()


def test_every_section_of_samconfig_is_one_stage_with_a_stack_of_its_own() -> None:
    document: Mapping[str, Any] = tomllib.loads((ROOT / "samconfig.toml").read_text("utf-8"))
    stages = [name for name, section in document.items() if isinstance(section, dict) and name != "default"]
    assert [stack_of(Project(ROOT), stage) for stage in stages] == [f"headrace-{stage}" for stage in stages]
    assert all(document[stage]["build"]["parameters"]["build_in_source"] for stage in stages)
