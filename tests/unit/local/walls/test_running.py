"""Nothing a container starts outlives it, its stop, or the local cloud."""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.sagemaker.machine.processes.isolation import probe
from local.sagemaker.wire.errors import IsolationError
from local.walls import launcher, probing
from local.walls.boundary import Boundary
from local.walls.command import Command
from local.walls.probing import strongest
from local.walls.running import Running

BOUNDARIES = [
    pytest.param(Boundary(namespace=True, processes=True, readonly=True, network=True), id="read-only"),
    pytest.param(Boundary(namespace=True, processes=True), id="namespace"),
    pytest.param(Boundary(namespace=True, processes=False), id="shared processes"),
    pytest.param(Boundary(namespace=False, processes=False), id="base-dir"),
]


def shell(script: str, ml: Path, **more: Any) -> Command:
    return Command(("/bin/sh", "-c", script), {"PATH": os.defpath}, ml, **more)


@pytest.fixture
def probed_anew() -> Iterator[None]:
    strongest.cache_clear()
    yield
    strongest.cache_clear()


def launch(boundary: Boundary, script: str, ml: Path, **more: Any) -> Running:
    if boundary.namespace and not strongest().namespace:
        pytest.skip("the kernel gives no namespaces")
    return Running(shell(script, ml, **more), boundary, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def output(boundary: Boundary, script: str, ml: Path, **more: Any) -> bytes:
    with launch(boundary, script, ml, **more) as process:
        said, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    return said


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_the_exit_code_comes_through(boundary: Boundary, tmp_path: Path) -> None:
    for script, code in (("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137)):
        process = launch(boundary, script, tmp_path)
        assert process.wait(20) == code
        process.communicate()


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("word", ["a\0b", "half a pair \ud800"])
def test_an_argument_that_no_process_can_have_is_one_line(boundary: Boundary, word: str, tmp_path: Path) -> None:
    process = launch(boundary, word, tmp_path)
    assert process.wait(20) == 126
    _, said = process.communicate()
    assert said.startswith(b"cannot run '/bin/sh': an argument cannot be given to a process: ")
    assert said.count(b"\n") == 1


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_a_daemon_that_left_its_session_is_gone_with_the_command(boundary: Boundary, tmp_path: Path) -> None:
    # The daemon holds the output open; reading to its end proves that it is gone.
    process = launch(boundary, "(setsid sleep 600 &) ; (setsid sleep 600 &) ; echo over", tmp_path)
    assert process.stdout is not None
    assert process.stdout.read() == b"over\n"
    assert process.wait(20) == 0
    process.communicate()


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_the_end_of_the_line_kills_everything(boundary: Boundary, tmp_path: Path) -> None:
    process = launch(boundary, "trap '' TERM; (setsid sleep 600 &) ; echo up; sleep 600", tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    process.kill()
    assert process.stdout.read() == b""
    assert process.wait(20) == 137
    for pipe in (process.stdout, process.stderr):
        assert pipe is not None
        pipe.close()


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_a_stop_reaches_the_command_as_sigterm(boundary: Boundary, tmp_path: Path) -> None:
    process = launch(boundary, "trap 'echo asked; exit 3' TERM; echo up; sleep 600 & wait", tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    process.terminate()
    assert process.stdout.read() == b"asked\n"
    assert process.wait(20) == 3
    process.communicate()


def test_a_killed_local_cloud_leaves_no_container_behind(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        from local.walls.command import Command
        from local.walls.probing import strongest
        from local.walls.running import Running
        argv = ("/bin/sh", "-c", "(setsid sleep 600 &) ; echo up; sleep 600")
        running = Running(Command(argv, {"PATH": "/usr/bin:/bin"}, Path(sys.argv[1])), strongest())
        print("started", flush=True)
        time.sleep(600)
        """
    )
    cloud = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE)
    assert cloud.stdout is not None
    assert sorted([cloud.stdout.readline(), cloud.stdout.readline()]) == [b"started\n", b"up\n"]
    os.kill(cloud.pid, signal.SIGKILL)
    # The containers write to the cloud's own output: it ends when the last of them is gone.
    assert select.select([cloud.stdout], [], [], 20)[0]
    assert cloud.stdout.read() == b""
    cloud.wait()
    cloud.stdout.close()


def test_the_rest_of_opt_stays_visible_and_the_host_unchanged(tmp_path: Path) -> None:
    boundary = probe("auto")
    if not boundary.namespace:
        pytest.skip("the kernel gives no namespaces")
    (tmp_path / "mine").write_text("here")
    process = launch(boundary, "ls -A /opt; cat /opt/ml/mine", tmp_path)
    assert process.stdout is not None
    out = process.stdout.read()
    process.wait(20)
    process.communicate()
    *names, content = out.decode().split()
    assert content == "here"
    assert set(names) == {*(path.name for path in Path("/opt").iterdir()), "ml"}
    assert not (Path("/opt/ml") / "mine").exists()


def test_a_state_folder_in_shared_memory_is_no_obstacle() -> None:
    boundary = probe("auto")
    if not boundary.readonly or not Path("/dev/shm").is_dir():
        pytest.skip("the kernel does not keep a process from writing")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        home, ml = Path(folder, "home"), Path(folder, "ml")
        home.mkdir()
        ml.mkdir()
        script = f"echo h > {home}/x && echo m > /opt/ml/x && echo s > /dev/shm/headrace-x && ls /dev/shm"
        said = output(boundary, script, ml, writable=(str(home),))
        assert sorted(said.split()) == sorted([Path(folder).name.encode(), b"headrace-x"])
        assert ((home / "x").read_text(), (ml / "x").read_text()) == ("h\n", "m\n")
        assert not Path("/dev/shm/headrace-x").exists()


@pytest.mark.usefixtures("probed_anew")
def test_isolation_that_is_asked_for_and_not_given_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "attempt", lambda _: "not permitted")
    strongest.cache_clear()
    with pytest.raises(IsolationError, match="not permitted"):
        probe("namespace")
    fallen = probe("auto")
    assert (fallen.name, fallen.reason) == ("base-dir", "not permitted")


@pytest.mark.usefixtures("probed_anew")
def test_the_strongest_isolation_that_works_is_taken_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "attempt", lambda tried: "no" if tried.network or tried.readonly else None)
    strongest.cache_clear()
    found = probe("auto")
    assert found.name == "namespace (the machine's files can be written)"
    assert (found.processes, found.reason) == (True, "no")
    monkeypatch.setattr(probing, "attempt", lambda tried: "no" if tried.processes else None)
    strongest.cache_clear()
    assert probe("auto").name == "namespace (shared processes)"


def test_without_a_network_nothing_of_the_machine_can_be_reached(tmp_path: Path) -> None:
    boundary = probe("auto")
    if not boundary.network:
        pytest.skip("the kernel gives no network namespace")
    script = "ls /sys/class/net >/dev/null; cat /proc/net/dev"
    said = output(boundary, script, tmp_path, network=False)
    assert [line.split(b":")[0].strip() for line in said.splitlines()[2:]] == [b"lo"]


def test_what_is_covered_is_private_and_what_is_kept_stays_visible(tmp_path: Path) -> None:
    """/tmp is another folder for the container; a folder below the real /tmp that it needs is still there."""
    boundary = probe("auto")
    if not boundary.readonly:
        pytest.skip("the kernel does not keep a process from writing")
    kept, own, ml = (tmp_path / name for name in ("kept", "own", "ml"))
    for folder in (kept, own, ml):
        folder.mkdir()
    (kept / "file").write_text("needed")
    covers = {str(tmp_path.parents[1]): str(own)}
    script = f"cat {kept}/file; echo x > {kept}/file || echo refused; echo y > {tmp_path.parents[1]}/mine"
    assert output(boundary, script, ml, covers=covers, keep=(str(kept),)) == b"neededrefused\n"
    assert (kept / "file").read_text() == "needed"
    assert (own / "mine").read_text() == "y\n"


@pytest.mark.skipif(os.getuid() != 0 or not Path("/usr/bin/python3").exists(), reason="needs root, to be somebody else")
def test_who_is_not_root_has_the_same_walls() -> None:
    """By a user namespace; where the machine forbids those, `strongest` finds out."""
    with tempfile.TemporaryDirectory(prefix="headrace-") as name:
        folder = Path(name)
        shutil.copytree(Path(launcher.__file__).parent, folder / "local" / "walls" / "launcher")
        (folder / "ml").mkdir()
        for path in (folder, *folder.rglob("*")):
            os.chown(path, 65534, 65534)
        boundary = Boundary(namespace=True, processes=True, readonly=True, network=True)
        script = (
            "echo x > /opt/ml/own; (echo x > /var/tmp/headrace-harm) 2>/dev/null || echo refused; "
            "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '; "
            "ls /root /home 2>&1 | wc -l; grep CapBnd /proc/self/status"
        )
        main = "import sys; sys.path.append(sys.argv.pop()); from local.walls.launcher.main import main; main()"
        job = boundary.job(shell(script, folder / "ml", network=False))
        frame = json.dumps({**job, "streams": [], "signals": False}).encode()
        pipe = subprocess.PIPE
        with subprocess.Popen(
            ["/usr/bin/python3", "-I", "-S", "-c", main, "0", name],
            stdin=pipe, stdout=pipe, stderr=pipe, user=65534, group=65534, extra_groups=[],
        ) as process:  # fmt: skip
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdin.write(len(frame).to_bytes(4) + frame)
            process.stdin.flush()
            said, complained = process.stdout.read(), process.stderr.read()
            if process.wait(20) == 125 and b"not permitted" in complained:
                pytest.skip("the kernel gives users no namespaces")
        assert said.splitlines() == [b"refused", b"lo", b"2", b"CapBnd:\t0000000000000000"], complained
        assert (folder / "ml" / "own").stat().st_uid == 65534
