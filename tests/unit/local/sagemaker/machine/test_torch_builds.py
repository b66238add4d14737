"""Which builds of PyTorch the environments get: those for processors, where nothing says otherwise."""

import sys
from pathlib import Path

import pytest

from local.sagemaker.machine import package_index
from local.sagemaker.machine.package_index import Places


def told(tmp_path: Path, **environment: str) -> str | None:
    machine = Places(environment, tmp_path / "home", tmp_path / "etc")
    return package_index.for_uv(machine).get("UV_TORCH_BACKEND")


def test_the_public_index_of_linux_is_passed_over_for_builds_without_cuda(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    assert told(tmp_path) == "cpu"
    assert told(tmp_path, PIP_CERT="/a.pem") == "cpu"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert told(tmp_path) is None


@pytest.mark.parametrize(
    "name",
    ["UV_TORCH_BACKEND", "UV_DEFAULT_INDEX", "UV_FIND_LINKS", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_OFFLINE"],
)
def test_a_machine_that_says_where_packages_come_from_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    assert told(tmp_path, **{name: "https://mirror/"}) is None


def test_a_file_of_uvs_own_is_left_to_say_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    file = tmp_path / "home" / ".config" / "uv" / "uv.toml"
    file.parent.mkdir(parents=True)
    file.write_text("")
    assert told(tmp_path) is None
