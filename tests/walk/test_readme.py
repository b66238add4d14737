"""Every command that the README shows is run here, or is one that .ci/run runs."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.walk.cloud import ROOT, copy_project, running_cloud

pytestmark = [pytest.mark.cloud, pytest.mark.xdist_group("readme")]

_BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
_RUN_BY_CI = {"make demo", "make test"}
# Long-running, or for an account: what they call is run by other walks.
_SHOWN_BY_MAKE = {"make up": "headrace up", "make deploy STAGE=dev": "headrace deploy --stage dev"}


def commands() -> list[str]:
    """The README's commands, in order."""
    blocks = _BLOCK.findall((ROOT / "README.md").read_text("utf-8"))
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def test_the_two_commands_that_are_promised_are_run_by_ci() -> None:
    ci = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    assert commands()[:2] == ["make demo", "make test"]
    assert set(ci) >= _RUN_BY_CI


@pytest.mark.parametrize(("command", "called"), _SHOWN_BY_MAKE.items())
def test_a_make_target_calls_the_command_of_its_name(command: str, called: str) -> None:
    assert command in commands()
    said = subprocess.run(
        ["make", "--dry-run", *command.split()[1:]], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert called in said.stdout


def test_every_other_command_works_as_it_stands(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    (project / ".venv").symlink_to(ROOT / ".venv")
    script = [command for command in commands() if command not in _RUN_BY_CI | set(_SHOWN_BY_MAKE)]
    # Algorithms are read when the cloud starts, so what adds one comes first.
    first = [command for command in script if " algorithms " in command]
    assert first
    run(project, first, "http://127.0.0.1:9")
    with running_cloud(project, tmp_path) as cloud:
        run(project, [command for command in script if command not in first], cloud.endpoint)
        keys = [job["source"]["key"] for job in cloud.get("/v1/jobs?status=SUCCESS")["jobs"] if job["source"]]
    assert any(key.startswith("datasets/churn/") for key in keys)
    assert any(key.startswith("images/") for key in keys)


def run(project: Path, script: list[str], endpoint: str) -> None:
    """Run commands in one shell; the first that fails ends the test with what it said."""
    text = "\n".join(["set -e", *script]).replace("http://127.0.0.1:4566", endpoint)
    environment = {
        "PATH": f"{ROOT / '.venv-tools' / 'bin'}:/usr/bin:/bin",
        "HOME": str(project.parent),
        "HEADRACE_API_URL": endpoint,
        "HEADRACE_CACHE_DIR": str(ROOT / ".headrace" / "cache"),
    }
    said = subprocess.run(
        ["bash", "-c", text], cwd=project, env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    assert said.returncode == 0, f"{text}\n{said.stdout}\n{said.stderr}"
