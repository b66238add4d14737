"""The image classifier: what its processing stage makes of an upload, without the framework it does not need."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.unit.algorithms.containers import Container
from tests.unit.algorithms.environments import ALGORITHMS, FACES, environment

FOLDER = ALGORITHMS / "gluoncv"
SOURCE = FOLDER / "source"
IMAGE = (FOLDER / "samples" / "seven.png").read_bytes()


@pytest.fixture
def pillow(tmp_path: Path) -> Container:
    """An image with NumPy and Pillow, which is what processing needs."""
    return Container(tmp_path, (environment(FACES),))


def process(container: Container, *arguments: str) -> tuple[int, str]:
    finished = container.run("python", str(SOURCE / "process.py"), *arguments)
    return finished.code, finished.last_error


def files(container: Container, part: str) -> dict[str, int]:
    """Class -> number of images."""
    folders = sorted((container.base / "processing" / "output" / part).iterdir())
    return {folder.name: len(list(folder.iterdir())) for folder in folders if folder.is_dir()}


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def test_the_sample_is_split_class_by_class_and_the_same_way_again(tmp_path: Path, pillow: Container) -> None:
    again = Container(tmp_path / "again", pillow.path)
    for container in (pillow, again):
        container.put("processing/input/data/digits.zip", (FOLDER / "samples" / "digits.zip").read_bytes())
        assert process(container, "--test_fraction=0.2", "--val_fraction=0.1", "--seed=13") == (0, "")
    assert files(pillow, "train") == {str(digit): 14 for digit in range(10)}
    assert files(pillow, "val") == {str(digit): 2 for digit in range(10)}
    assert files(pillow, "test") == {str(digit): 4 for digit in range(10)}
    for part in ("train", "val", "test"):
        one, other = (container.base / "processing" / "output" / part for container in (pillow, again))
        assert {p.relative_to(one): p.read_bytes() for p in one.rglob("*.png")} == {
            p.relative_to(other): p.read_bytes() for p in other.rglob("*.png")
        }


def test_folders_of_the_upload_stay_what_they_are_called_and_weights_come_along(pillow: Container) -> None:
    names = [f"set/{part}/{name}/{n}.png" for part in ("train", "val") for name in "ab" for n in range(4)]
    with tarfile.open(pillow.put("processing/input/data/set.tar.gz", b""), "w:gz") as archive:
        for name, content in [*((name, IMAGE) for name in names), ("set/net.params", b"weights")]:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    assert process(pillow) == (0, "")
    assert [files(pillow, part) for part in ("train", "val", "test")] == [
        {"a": 3, "b": 3},
        {"a": 4, "b": 4},
        {"a": 1, "b": 1},
    ]
    assert (pillow.base / "processing/output/train/pretrained.params").read_bytes() == b"weights"


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"readme.txt": b""}, "The dataset holds no image (.png, .jpg, .jpeg): found readme.txt."),
        ({"a.png": IMAGE}, "a.png is in no folder: an image's folder is its class."),
        ({"a/1.png": b"GIF89a"}, "a/1.png is not an image that can be read"),
        ({f"a/{n}.png": IMAGE for n in range(3)}, 'The dataset has one class only, "a"'),
        ({"a/1.png": IMAGE}, 'The class "a" has 1 images; at least 3 are needed.'),
        ({"val/a/1.png": IMAGE}, "The dataset has the folders val and no train."),
        ({"train/a/1.png": IMAGE, "b/1.png": IMAGE}, "The dataset has the folders train, and b/1.png outside them."),
        (
            {f"{place}/{n}.png": IMAGE for place in ("train/a", "train/b", "val/c") for n in range(3)},
            "val has classes that train has not: c.",
        ),
        ({}, "The dataset is empty"),
    ],
)
def test_an_upload_that_is_no_dataset_is_refused(pillow: Container, members: dict[str, bytes], reason: str) -> None:
    pillow.put("processing/input/data/set.zip", zipped(**members))
    code, said = process(pillow)
    assert code == 1
    assert said.startswith(reason)
    assert pillow.text("output/message") == said


def test_a_broken_archive_is_refused(pillow: Container) -> None:
    pillow.put("processing/input/data/set.zip", zipped(**{"a/1.png": IMAGE})[:40])
    code, said = process(pillow)
    assert (code, said.split(":")[0]) == (1, "set.zip cannot be unpacked")
