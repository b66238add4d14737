"""Control groups: made beside our own where that is allowed, bounded, entered, and gone with the program."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from local.cloud import LocalCloud
from local.errors import IsolationRefused
from local.settings import LocalSettings, free_port
from local.walls import groups
from local.walls.boundary import Boundary
from local.walls.command import Command
from local.walls.groups import Bounds, Groups, beside_own
from local.walls.running import Running


def tree(root: Path, controllers: str) -> Path:
    """A cgroup v2 as its files look, with this process in one of its groups; returns that group's parent."""
    base = root / "user.slice" / "app.slice"
    own = base / "shell.scope"
    own.mkdir(parents=True)
    for folder in (base, own):
        (folder / "cgroup.procs").touch()
        (folder / "cgroup.controllers").write_text(controllers)
        (folder / "cgroup.subtree_control").write_text("")
    return base


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mountinfo").write_text(f"30 24 0:26 / {tmp_path}/fs rw - cgroup2 cgroup2 rw\n")
    (tmp_path / "cgroup").write_text("0::/user.slice/app.slice/shell.scope\n")
    monkeypatch.setattr(groups, "_MOUNTS", tmp_path / "mountinfo")
    monkeypatch.setattr(groups, "_OWN", tmp_path / "cgroup")
    return tree(tmp_path / "fs", "cpuset cpu io memory pids\n")


@pytest.fixture
def made(base: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the groups, as the kernel fills it when it is made."""
    folder = base / f"headrace-{os.getpid()}"
    folder.mkdir()
    (folder / "cgroup.controllers").write_text("cpu memory pids\n")
    (folder / "cgroup.subtree_control").write_text("cpu memory pids\n")
    monkeypatch.setattr(groups, "_enable", lambda _: None)
    return folder


def test_a_group_is_made_with_its_bounds(made: Path) -> None:
    chosen = beside_own(Bounds(memory_bytes=1 << 30, processes=100, processors=1.5))
    assert chosen.words == "bounded by control groups: memory, pids, cpu"
    group = Path(chosen.make() or "")
    assert group.parent == made
    contents = {file.name: file.read_text() for file in group.iterdir()}
    assert contents == {
        "memory.max": "1073741824",
        "memory.oom.group": "1",
        "pids.max": "100",
        "cpu.weight": "50",
        "cpu.max": "150000 100000",
    }


@pytest.mark.usefixtures("made")
def test_what_is_not_chosen_is_bounded_all_the_same() -> None:
    group = Path(beside_own().make() or "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0.5 * memory < int((group / "memory.max").read_text()) < memory
    assert int((group / "pids.max").read_text()) >= 1024
    assert not (group / "cpu.max").exists()


def test_only_controllers_that_hold_are_written_to(made: Path) -> None:
    (made / "cgroup.subtree_control").write_text("pids\n")
    chosen = beside_own()
    assert {file.name for file in Path(chosen.make() or "").iterdir()} == {"pids.max"}
    assert chosen.words == "bounded by control groups: pids"


def test_without_a_controller_there_is_no_group_and_a_reason(base: Path) -> None:
    for group in (base, base / "shell.scope"):
        (group / "cgroup.controllers").write_text("cpuset io\n")
    folder = base / f"headrace-{os.getpid()}"
    folder.mkdir()
    (folder / "cgroup.controllers").write_text("")
    (folder / "cgroup.subtree_control").write_text("")
    refused = beside_own()
    assert (refused.folder, refused.make()) == (None, None)
    assert refused.words.endswith(f"not bounded ({base}: no controller of memory, pids and cpu)")


def test_a_tree_of_somebody_else_is_a_reason(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(groups, "_enable", refuse)
    assert beside_own().words.endswith(f"({base}: Permission denied)")


@pytest.mark.usefixtures("base")
def test_without_cgroup_v2_there_is_a_reason(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text("30 24 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n")
    assert beside_own().words.endswith("(this machine has no cgroup v2)")


def test_what_a_killed_cloud_left_is_removed(made: Path, base: Path) -> None:
    left = base / "headrace-4194304"  # one more than the highest process number
    (left / "1a2b").mkdir(parents=True)
    beside_own()
    assert not left.exists()
    assert made.exists()


def test_bounds_that_are_asked_for_and_not_to_be_had_are_refused(
    base: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("local.cloud.beside_own", lambda _: Groups(reason=f"{base}: Permission denied"))
    settings = LocalSettings(tmp_path / "template.yaml", tmp_path / "state", tmp_path / "cache", port=free_port())
    chosen = replace(settings, bounds=Bounds(processes=100))
    with pytest.raises(IsolationRefused, match="Permission denied; try `systemd-run --user"):
        LocalCloud(chosen)._build_walls()
    LocalCloud(settings)._build_walls()


@pytest.fixture
def real() -> Iterator[Groups]:
    own = groups.own_group()
    folder = None if own is None else own / f"headrace-test-{os.getpid()}"
    try:
        if folder is not None:
            folder.mkdir()
    except OSError:
        folder = None
    if folder is None:
        pytest.skip("this user may make no control group")
    yield Groups(folder, ())
    groups._remove(folder)
    assert not folder.exists()


@pytest.mark.parametrize("namespace", [True, False])
def test_a_program_enters_its_group_and_the_group_goes_with_all_that_is_in_it(
    namespace: bool, real: Groups, tmp_path: Path
) -> None:
    """With the kernel's own tree, whatever its controllers."""
    boundary = Boundary(namespace=namespace, processes=namespace, readonly=namespace, groups=real)
    words = ("/bin/sh", "-c", "(setsid sleep 600 &) ; grep 0:: /proc/self/cgroup")
    command = Command(words, {"PATH": os.defpath}, tmp_path)
    with Running(command, boundary, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        said, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert real.folder is not None
    assert said.decode().rpartition("/")[0].endswith(real.folder.name)
    assert [entry for entry in real.folder.iterdir() if entry.is_dir()] == []
