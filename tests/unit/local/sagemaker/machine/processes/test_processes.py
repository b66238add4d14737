"""Nothing a container starts outlives it, its stop, or the local cloud."""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any

import pytest

from local.sagemaker.machine.processes import isolation
from local.sagemaker.machine.processes.command import Command
from local.sagemaker.machine.processes.isolation import Boundary, probe
from local.sagemaker.wire.errors import IsolationError

BOUNDARIES = [
    pytest.param(Boundary(namespace=True, processes=True, readonly=True, network=True), id="read-only"),
    pytest.param(Boundary(namespace=True, processes=True), id="namespace"),
    pytest.param(Boundary(namespace=True, processes=False), id="shared processes"),
    pytest.param(Boundary(namespace=False, processes=False), id="base-dir"),
]


def shell(script: str, ml: Path, **more: Any) -> Command:
    return Command(("/bin/sh", "-c", script), {}, ml, **more)


def launch(boundary: Boundary, script: str, ml: Path) -> "subprocess.Popen[bytes]":
    if boundary.namespace and not probe("auto").namespace:
        pytest.skip("the kernel gives no namespaces")
    command = boundary.launched(shell(script, ml))
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )


def output(command: list[str]) -> bytes:
    """Of a launcher, whose standard input stays open until it has ended."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        assert process.wait(20) == 0
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
    assert process.stdin is not None
    assert process.stdout.readline() == b"up\n"
    process.stdin.close()
    assert process.stdout.read() == b""
    assert process.wait(20) == 137
    for pipe in (process.stdout, process.stderr):
        assert pipe is not None
        pipe.close()


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_a_stop_reaches_the_command_as_sigterm(boundary: Boundary, tmp_path: Path) -> None:
    process = launch(boundary, "trap 'echo asked; exit 3' TERM; echo up; sleep 600 & wait", tmp_path)
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == b"up\n"
    process.stdin.write(b"T")
    process.stdin.flush()
    assert process.stdout.read() == b"asked\n"
    assert process.wait(20) == 3
    process.communicate()


def test_a_killed_local_cloud_leaves_no_container_behind(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import subprocess, sys, time
        from pathlib import Path
        from local.sagemaker.machine.processes.command import Command
        from local.sagemaker.machine.processes.isolation import probe
        argv = ("/bin/sh", "-c", "(setsid sleep 600 &) ; echo up; sleep 600")
        command = probe("auto").launched(Command(argv, {}, Path(sys.argv[1])))
        subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
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
        command = boundary.launched(shell(script, ml, writable=(str(home),), keep=(str(home),)))
        assert sorted(output(command).split()) == sorted([Path(folder).name.encode(), b"headrace-x"])
        assert ((home / "x").read_text(), (ml / "x").read_text()) == ("h\n", "m\n")
        assert not Path("/dev/shm/headrace-x").exists()


def test_isolation_that_is_asked_for_and_not_given_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "_try", lambda _: "not permitted")
    with pytest.raises(IsolationError, match="not permitted"):
        probe("namespace")
    fallen = probe("auto")
    assert (fallen.name, fallen.reason) == ("base-dir", "not permitted")


def test_the_strongest_isolation_that_works_is_taken_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "_try", lambda tried: "no" if tried.network or tried.readonly else None)
    found = probe("auto")
    assert found.name == "namespace (the machine's files can be written)"
    assert (found.processes, found.reason) == (True, "no")
    monkeypatch.setattr(isolation, "_try", lambda tried: "no" if tried.processes else None)
    assert probe("auto").name == "namespace (shared processes)"


def test_without_a_network_nothing_of_the_machine_can_be_reached(tmp_path: Path) -> None:
    boundary = probe("auto")
    if not boundary.network:
        pytest.skip("the kernel gives no network namespace")
    script = "ls /sys/class/net >/dev/null; cat /proc/net/dev"
    said = output(boundary.launched(shell(script, tmp_path, network=False)))
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
    command = boundary.launched(shell(script, ml, covers=covers, keep=(str(kept),)))
    assert output(command) == b"neededrefused\n"
    assert (kept / "file").read_text() == "needed"
    assert (own / "mine").read_text() == "y\n"


@pytest.mark.skipif(os.getuid() != 0 or not Path("/usr/bin/python3").exists(), reason="needs root, to be somebody else")
def test_who_is_not_root_has_the_same_walls() -> None:
    """By a user namespace; where the machine forbids those, `probe` finds out."""
    with tempfile.TemporaryDirectory(prefix="headrace-") as name:
        folder = Path(name)
        launcher = folder / "launcher.py"
        launcher.write_bytes(Path(isolation.__file__).with_name("launcher.py").read_bytes())
        (folder / "ml").mkdir()
        for path in (folder, folder / "ml", launcher):
            os.chown(path, 65534, 65534)
        boundary = Boundary(namespace=True, processes=True, readonly=True, network=True)
        script = (
            "echo x > /opt/ml/own; (echo x > /var/tmp/headrace-harm) 2>/dev/null || echo refused; ls /sys/class/net"
        )
        job = json.loads(boundary.launched(shell(script, folder / "ml", network=False))[-1])
        command = ["/usr/bin/python3", "-I", "-S", str(launcher), json.dumps(job)]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, user=65534, group=65534) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            said, complained = process.stdout.read(), process.stderr.read()
            if process.wait(20) == 125 and b"not permitted" in complained:
                pytest.skip("the kernel gives users no namespaces")
        assert said.startswith(b"refused\n"), complained
        assert (folder / "ml" / "own").stat().st_uid == 65534
