"""Packing: equal trees give equal bytes, and nothing outside the tree gets in."""

import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.folders import digest, files, inside, pack, problems_of

NAMES = st.text(st.characters(categories=("Ll", "Nd")), min_size=1, max_size=8)
TREES = st.dictionaries(st.lists(NAMES, min_size=1, max_size=3).map("/".join), st.binary(max_size=300), max_size=6)


def plant(folder: Path, tree: dict[str, bytes]) -> dict[str, bytes]:
    """Write a tree, leaving out what would need a file and a folder of one name. Returns what was written."""
    written: dict[str, bytes] = {}
    for name, content in tree.items():
        above = {"/".join(name.split("/")[:depth]) for depth in range(1, name.count("/") + 1)}
        if not above & set(written) and not any(other.startswith(f"{name}/") for other in written):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
            written[name] = content
    return written


@settings(max_examples=50)
@given(tree=TREES, time=st.integers(0, 2**31))
def test_equal_trees_give_equal_bytes(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, bytes], time: int
) -> None:
    one, other = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("other")
    written = plant(one, tree)
    plant(other, dict(reversed(written.items())))
    for entry in files(other):
        os.utime(entry.path, (time, time))
    assert pack(one) == pack(other)
    assert digest(one) == digest(other)
    with tarfile.open(fileobj=io.BytesIO(pack(one))) as archive:
        members = {member.name: archive.extractfile(member) for member in archive}
        assert {name: member.read() for name, member in members.items() if member} == written
        assert [member.name for member in archive] == sorted(written)


@settings(max_examples=50)
@given(tree=TREES.filter(bool))
def test_another_content_gives_another_address(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, bytes]
) -> None:
    folder = tmp_path_factory.mktemp("tree")
    name, content = next(iter(plant(folder, tree).items()))
    before = digest(folder)
    (folder / name).write_bytes(content + b"x")
    assert digest(folder) != before


def test_the_address_is_the_same_on_every_machine(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print('trained')\n")
    (tmp_path / "run").write_text("#!/bin/sh\n")
    (tmp_path / "run").chmod(0o700)
    assert digest(tmp_path) == "5c7be77aea9c4f546995e14ec1d021aadc9cb3968f135e7e22b6923a6c0e3cfc"


def test_caches_and_version_control_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("x")
    for name in ("__pycache__/train.cpython-311.pyc", ".git/HEAD", "lib/old.pyc", ".venv/pyvenv.cfg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert [entry.name for entry in files(tmp_path)] == ["train.py"]


def test_a_link_to_a_file_of_the_tree_is_packed_as_that_file(tmp_path: Path) -> None:
    (tmp_path / "real.py").write_text("x")
    (tmp_path / "link.py").symlink_to("real.py")
    assert problems_of(tmp_path, tmp_path) == []
    with tarfile.open(fileobj=io.BytesIO(pack(tmp_path))) as archive:
        assert [(member.name, member.isreg()) for member in archive] == [("link.py", True), ("real.py", True)]


def test_what_cannot_be_packed_is_told(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "source" / "sub").mkdir(parents=True)
    (root / "source" / "out").symlink_to(tmp_path)
    (root / "source" / "around").symlink_to("sub")
    (root / "source" / "gone").symlink_to("nowhere")
    os.mkfifo(root / "source" / "pipe")
    found = dict(problems_of(root / "source", root))
    assert set(found) == {"source/out", "source/around", "source/gone", "source/pipe"}
    assert found["source/pipe"] == "expected a file or a folder, found a device, pipe or socket"


@pytest.mark.parametrize("relative", ["../x", "a/../../x", "/etc", "link/x"])
def test_a_path_that_leaves_its_root_is_no_path(tmp_path: Path, relative: str) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to("/")
    assert inside(tmp_path / "root", relative) is None
    assert inside(tmp_path / "root", "a/b") == tmp_path / "root" / "a" / "b"
