"""`headrace torchserve archive`: what is refused before anything is made, and what an archive is made of."""

import hashlib
import json
import subprocess
import tempfile
import zipfile
from pathlib import Path

import pytest

from cli.project.checkout import find_project
from local.sagemaker.machine.environments import Environments
from local.torchserve import HANDLERS, ArchiveRefused, ArchiverFailed, Inputs, check, make
from tests.walk.cloud import HEADRACE, ROOT

SERVED = ROOT / "cicd" / "torchserve"
TORCHSCRIPT = ("data.pkl", "constants.pkl", "version", "code/__torch__.py", "code/__torch__.py.debug_pkl", "data/0")
WEIGHTS = ("data.pkl", "version", "byteorder", "data/0")


def zipped(file: Path, names: tuple[str, ...]) -> Path:
    """A zip as torch writes one: all members in one folder."""
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(f"{file.stem}/{name}", name)
    return file


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    return Inputs(
        name="sums",
        version="1.0",
        model=zipped(tmp_path / "model.pt", TORCHSCRIPT),
        handler=SERVED / "handler.py",
        config=SERVED / "model-config.yaml",
    )


@pytest.fixture(scope="session")
def environments() -> Environments:
    return Environments(find_project(ROOT).cache_dir, {"torch-model-archiver": SERVED / "archiver"})


def changed(inputs: Inputs, **values: object) -> Inputs:
    fields = {name: getattr(inputs, name) for name in Inputs.__slots__}
    return Inputs(**{**fields, **values})


def written(folder: Path, text: str | bytes, name: str = "my_handler.py") -> Path:
    file = folder / name
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


# ---- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "a/b", "../up", ".hidden", "a b", "a\n", "x" * 101])
def test_a_name_that_no_address_could_hold_is_refused(inputs: Inputs, name: str) -> None:
    (said,) = check(changed(inputs, name=name))
    assert said.startswith("--name: expected")


@pytest.mark.parametrize("version", ["", "v1", "1.", "1.0-rc1", "1.2.3.4.5"])
def test_a_version_is_numbers(inputs: Inputs, version: str) -> None:
    (said,) = check(changed(inputs, version=version))
    assert said.startswith("--version: expected")


def test_weights_without_code_are_told_from_torchscript(inputs: Inputs, tmp_path: Path) -> None:
    (said,) = check(changed(inputs, model=zipped(tmp_path / "weights.pt", WEIGHTS)))
    assert said.endswith("found weights alone (torch.save)")
    (said,) = check(changed(inputs, model=zipped(tmp_path / "other.zip", ("readme.txt",))))
    assert said.endswith("found another zip")
    (said,) = check(changed(inputs, model=written(tmp_path, b"\x80\x02}q\x00.", "old.pt")))
    assert said.endswith("found no zip")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def handle(data, context):\n  return", ""),
        ("class A:\n  def initialize(self, c): ...\n  def handle(self, d, c): ...", ""),
        ("from ts import B\nclass A(B): ...", ""),
        ("class A: ...\ndef handle(data, context): ...", ""),
        ("x = 1", "found neither"),
        ("class A(B): ...\nclass C(B): ...", "found A, C"),
        (
            "class A:\n  def handle(self, d, c): ...",
            "class A: expected the methods initialize and handle, found no init",
        ),
        ("def handle(:", "line 1: expected Python, found"),
        ("x = '\0'", "expected Python, found"),
        (b"# coding: nothing\n", "expected Python, found"),
    ],
)
def test_a_handler_is_read_and_never_run(inputs: Inputs, tmp_path: Path, source: str | bytes, expected: str) -> None:
    found = check(changed(inputs, handler=written(tmp_path, source)))
    assert bool(found) == bool(expected)
    assert expected in "".join(found)
    assert all("\n" not in line for line in found)


def test_a_handler_is_importable_or_one_of_torchserve_s_own(inputs: Inputs, tmp_path: Path) -> None:
    assert check(changed(inputs, handler="image_classifier")) == ()
    (said,) = check(changed(inputs, handler="image_clasifier"))
    assert all(name in said for name in HANDLERS)
    (said,) = check(changed(inputs, handler=written(tmp_path, "def handle(d, c): ...", "a.b.py")))
    assert "expected a file that can be imported" in said


def test_files_of_one_name_do_not_silently_become_one(inputs: Inputs, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    other = written(tmp_path / "deep", "", "handler.py")
    (said,) = check(changed(inputs, extra=(other,)))
    assert "expected different names" in said
    (said,) = check(changed(inputs, extra=(written(tmp_path, "", "MAR-INF"),)))
    assert "MAR-INF is the archive's own" in said


def test_every_problem_is_told_at_once_in_a_line_of_its_own(tmp_path: Path) -> None:
    words = ["--model", "gone.pt", "--handler", "gone.py", "--name", "a b", "--version", "x", "--config", "gone.yaml"]
    words += ["--requirements", "gone.txt", "--extra", "gone.bin"]
    said = subprocess.run(
        [str(HEADRACE), "torchserve", "archive", *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert said.returncode == 2
    assert len(said.stderr.splitlines()) == 7
    for file in ("gone.pt", "gone.py", "gone.yaml", "gone.txt"):
        assert f"{file}: no such file\n" in said.stderr
    assert list(tmp_path.iterdir()) == []


# ---- what is made ----------------------------------------------------------------------------------------------------


def test_the_command_makes_an_archive_with_the_handler_that_batches(inputs: Inputs, tmp_path: Path) -> None:
    words = ["--model", str(inputs.model), "--name", "sums", "--output", str(tmp_path / "out"), "--json"]
    said = subprocess.run(
        [str(HEADRACE), "torchserve", "archive", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    answer = json.loads(said.stdout)
    file = tmp_path / "out" / "sums.mar"
    assert answer["archive"] == str(file)
    assert answer["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    with zipfile.ZipFile(file) as archive:
        assert archive.namelist() == answer["files"]
        assert archive.read("handler.py") == (SERVED / "handler.py").read_bytes()
        assert archive.read("model.pt") == inputs.model.read_bytes()
        manifest = json.loads(archive.read("MAR-INF/MANIFEST.json"))
    assert manifest["model"] == {
        "modelName": "sums", "serializedFile": "model.pt", "handler": "handler.py", "modelVersion": "1.0",
        "configFile": "model-config.yaml",
    }  # fmt: skip
    assert [path.name for path in file.parent.iterdir()] == ["sums.mar"]


def test_the_same_inputs_give_the_same_bytes(inputs: Inputs, tmp_path: Path, environments: Environments) -> None:
    folder = tmp_path / "labels"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "names.txt").write_text("one\n")
    odd = written(tmp_path, "x", "a,b [1]*.txt")
    whole = changed(inputs, extra=(folder, odd), requirements=written(tmp_path, "six==1.17.0\n", "needs.txt"))
    first = make(whole, tmp_path / "a, [b]", environments)
    # Another order, other times, other modes.
    inputs.model.touch()
    odd.chmod(0o600)
    second = make(changed(whole, extra=(odd, folder)), tmp_path / "second", environments)
    assert first.file.read_bytes() == second.file.read_bytes()
    assert first.sha256 == second.sha256
    assert {"labels/deep/names.txt", "a,b [1]*.txt", "needs.txt"} <= set(first.members)
    with zipfile.ZipFile(first.file) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}


def test_an_archive_that_is_there_stays_unless_forced(
    inputs: Inputs, tmp_path: Path, environments: Environments
) -> None:
    there = written(tmp_path, "precious", "sums.mar")
    with pytest.raises(ArchiveRefused, match="is there already; --force"):
        make(inputs, tmp_path, environments)
    assert there.read_text() == "precious"
    make(inputs, tmp_path, environments, force=True)
    assert zipfile.is_zipfile(there)


def test_the_archiver_takes_away_no_folder_that_has_the_model_s_name(
    inputs: Inputs, tmp_path: Path, environments: Environments, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "tmp"
    (temporary / "sums").mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", None)
    make(inputs, tmp_path / "out", environments)
    assert [path.name for path in temporary.iterdir()] == ["sums"]


def test_an_archiver_that_fails_leaves_nothing(inputs: Inputs, tmp_path: Path, environments: Environments) -> None:
    folder, out = tmp_path / "labels", tmp_path / "out"
    folder.mkdir()
    (folder / "nowhere").symlink_to(tmp_path / "gone")
    with pytest.raises(ArchiverFailed, match="torch-model-archiver: exit 1"):
        make(changed(inputs, extra=(folder,)), out, environments)
    assert list(out.iterdir()) == []
