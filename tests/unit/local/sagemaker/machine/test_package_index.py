"""Where packages come from: what pip is told counts for uv and for the pip of containers."""

import os
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from local.sagemaker.machine import environments, package_index
from local.sagemaker.machine.environments import Environments
from local.sagemaker.machine.package_index import Places
from local.sagemaker.wire.errors import ImageError
from tests.unit.local.sagemaker.cloud import container, image


@pytest.fixture
def machine(tmp_path: Path) -> Places:
    """A machine without any settings, of pip's or uv's."""
    return Places({}, tmp_path / "home", tmp_path / "etc")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a user whom this process belongs to now."""
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_", "XDG_CONFIG"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    return tmp_path / "home"


def written(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def wheel(folder: Path, name: str, version: str) -> None:
    """The smallest package there is, at its place in a simple index."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        info = f"{name}-{version}.dist-info"
        archive.writestr(f"{name}.py", f"version = {version!r}\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    (folder / "index.html").write_text(f'<a href="{file.name}">{file.name}</a>')


def installed(environment: environments.Environment, *names: str) -> list[str]:
    program = "import importlib, sys; print(*(importlib.import_module(name).version for name in sys.argv[1:]))"
    command = [str(environment.python), "-c", program, *names]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_stronger_files_and_variables_win_and_other_settings_are_left(machine: Places) -> None:
    written(machine.etc / "pip.conf", "[global]\nindex-url = https://a/\ncert = /a.pem\n")
    user = "[global]\nindex_url = https://b/\ntimeout = 9\n[install]\nextra-index-url =\n  https://c/\n  https://d/\n"
    written(machine.home / ".config" / "pip" / "pip.conf", user)
    assert package_index.settings(replace(machine, environment={"PIP_FIND_LINKS": "/wheels"})) == {
        "index-url": "https://b/",
        "extra-index-url": "https://c/\nhttps://d/",
        "cert": "/a.pem",
        "find-links": "/wheels",
    }


def test_a_file_that_a_variable_names_stands_for_the_users_own_and_devnull_for_all(machine: Places) -> None:
    written(machine.home / ".config" / "pip" / "pip.conf", "[global]\nindex-url = https://b/\n")
    own = written(machine.home / "own.conf", "[global]\nfind-links = /wheels\n")
    for name, found in ((str(own), {"find-links": "/wheels"}), (os.devnull, {})):
        assert package_index.settings(replace(machine, environment={"PIP_CONFIG_FILE": name})) == found


def test_a_broken_file_counts_for_nothing(machine: Places) -> None:
    written(machine.home / ".config" / "pip" / "pip.conf", "index-url = https://b/\n")
    assert package_index.settings(machine) == {}


def test_uv_is_told_what_pip_is_told_in_its_own_words(machine: Places) -> None:
    places = f"{machine.home} /nowhere"
    text = f"[global]\nindex-url = https://a/\nextra-index-url = https://b/ https://c/\nfind-links = {places}\n"
    written(machine.home / ".config" / "pip" / "pip.conf", text)
    assert package_index.for_uv(machine) == {
        "UV_DEFAULT_INDEX": "https://a/",
        "UV_INDEX": "https://b/ https://c/",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": str(machine.home),
    }


def test_what_uv_is_told_itself_stands(machine: Places) -> None:
    text = "[global]\nindex-url = https://a/\nextra-index-url = https://b/\n"
    written(machine.home / ".config" / "pip" / "pip.conf", text)
    told = replace(machine, environment={"UV_INDEX_URL": "https://mine/", "UV_INDEX_STRATEGY": "first-index"})
    assert package_index.for_uv(told) == {"UV_INDEX": "https://b/"}
    written(machine.home / ".config" / "uv" / "uv.toml", "")
    assert package_index.for_uv(machine) == {}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:secret@pypi.example.com/simple/x", "https://****@pypi.example.com/simple/x"),
        ("Failed: http://token@a/ and https://b/x@1", "Failed: http://****@a/ and https://b/x@1"),
    ],
)
def test_credentials_of_an_index_are_not_shown(text: str, shown: str) -> None:
    assert package_index.redacted(text) == shown


def test_packages_come_from_every_index_of_pips_settings_and_some_lack_a_package(home: Path) -> None:
    wheel(home / "first" / "tiny", "tiny", "1.0")
    wheel(home / "second" / "tiny", "tiny", "2.0")
    wheel(home / "second" / "other", "other", "3.0")
    (home / "empty").mkdir()
    settings = f"""[global]
        index-url = {(home / "empty").as_uri()}
        extra-index-url = {(home / "first").as_uri()} {(home / "second").as_uri()}
    """
    written(home / ".config" / "pip" / "pip.conf", settings.replace("        ", ""))
    folder = container(home / "app")
    (folder / "requirements.txt").write_text("tiny\nother\n")
    built = Environments(home / "cache", {"headrace/app": folder}).ensure(image("app"))
    assert installed(built, "tiny", "other") == ["2.0", "3.0"]


def test_without_an_index_only_the_folders_of_find_links_are_looked_at(home: Path) -> None:
    wheel(home / "wheels", "tiny", "1.0")
    text = f"[global]\nno-index = true\nextra-index-url = http://127.0.0.1:9/simple\nfind-links = {home / 'wheels'}\n"
    written(home / ".config" / "pip" / "pip.conf", text)
    folder = container(home / "app")
    (folder / "requirements.txt").write_text("tiny\n")
    built = Environments(home / "cache", {"headrace/app": folder}).ensure(image("app"))
    assert installed(built, "tiny") == ["1.0"]


def test_an_index_that_does_not_answer_is_named_without_its_password(home: Path) -> None:
    address = "http://me:secret@127.0.0.1:9/simple"
    written(home / ".config" / "pip" / "pip.conf", f"[global]\nindex-url = {address}\n")
    folder = container(home / "app")
    (folder / "requirements.txt").write_text("tiny\n")
    said: list[str] = []
    with pytest.raises(ImageError, match=r"127\.0\.0\.1:9/simple/tiny") as refused:
        Environments(home / "cache", {"headrace/app": folder}).ensure(image("app"), progress=said.append)
    assert "secret" not in "\n".join([str(refused.value), *said])


def test_the_pip_of_a_container_has_the_settings_of_the_machine(home: Path) -> None:
    written(home / ".config" / "pip" / "pip.conf", "[global]\nindex-url = https://me:secret@a/\nfind-links = /x /y\n")
    built = Environments(home / "cache", {"headrace/app": container(home / "app")}).ensure(image("app"))
    built.layered(home / "layer")
    file = home / "layer" / "pip.conf"
    assert {"[global]", "index-url = https://me:secret@a/", "find-links = /x /y"} <= set(file.read_text().splitlines())
    assert file.stat().st_mode & 0o077 == 0
