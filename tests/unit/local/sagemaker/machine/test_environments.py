"""Images map to environments, each built once."""

import subprocess
import threading
import zipfile
from pathlib import Path

import pytest

from local.sagemaker.machine.environments import Environments, parse
from local.sagemaker.wire.errors import ImageError
from tests.unit.local.sagemaker.cloud import container, image


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("1.dkr.ecr.cn-north-1.amazonaws.com.cn/headrace/a:latest", ("headrace/a", "latest")),
        (
            "1.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3",
            ("sagemaker-scikit-learn", "1.4-2-cpu-py3"),
        ),
        ("localhost:5000/x/y@sha256:ab", ("x/y", "sha256:ab")),
        ("headrace/a", ("headrace/a", "latest")),
        ("plain", ("plain", "latest")),
    ],
)
def test_an_image_uri_is_a_repository_and_a_tag(uri: str, expected: tuple[str, str]) -> None:
    assert parse(uri) == expected


def test_the_framework_table_names_files_that_are_there() -> None:
    known = Environments(Path("unused"), {})
    found = known.resolve("1.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3")
    assert found.folder is None
    assert "scikit-learn==1.4.2" in found.requirements.decode()


def test_two_threads_build_one_environment(tmp_path: Path) -> None:
    folder = container(tmp_path / "app")
    said: list[str] = []
    known = Environments(tmp_path / "cache", {"headrace/app": folder})
    threads = [threading.Thread(target=known.warm, args=(image("app"), said.append)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # The one that comes second says what it waits for, unless it came after the end.
    assert [line.split()[0] for line in said if not line.startswith("waiting")] == ["building", "built"]
    environment = known.ensure(image("app"))
    assert environment.python.exists()
    assert environment.path == [str(folder.resolve() / "bin"), str(environment.folder / "bin")]


def test_requirements_that_cannot_be_installed_say_what_the_installer_said(tmp_path: Path) -> None:
    folder = container(tmp_path / "app")
    (folder / "requirements.txt").write_text("./there-is-no-such-folder\n")
    known = Environments(tmp_path / "cache", {"headrace/app": folder})
    with pytest.raises(ImageError, match="there-is-no-such-folder"):
        known.ensure(image("app"))


def test_an_unknown_image_names_what_to_add(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"is unknown.*images\.yaml.*algorithms/<name>/container"):
        Environments(tmp_path, {}).resolve("1.dkr.ecr.us-east-1.amazonaws.com/mine:1")


def test_packages_are_compiled_once_and_name_their_files_where_they_are(tmp_path: Path) -> None:
    wheel = tmp_path / "greeting-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("greeting.py", "def where():\n    return where.__code__.co_filename\n")
        archive.writestr("greeting-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: greeting\nVersion: 1\n")
        archive.writestr("greeting-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("greeting-1.dist-info/RECORD", "")
    folder = container(tmp_path / "app")
    (folder / "requirements.txt").write_text(f"{wheel}\n")
    environment = Environments(tmp_path / "cache", {"headrace/app": folder}).ensure(image("app"))
    packages = next(environment.folder.glob("lib/*/site-packages"))
    assert list(packages.glob("__pycache__/greeting.*.pyc"))
    said = subprocess.run(
        [environment.python, "-c", "import greeting; print(greeting.where())"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == str(packages / "greeting.py")
