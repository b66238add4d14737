"""What builds an environment ends with its cloud, and all that it started with it."""

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from local.sagemaker.machine.environments import Environments
from local.sagemaker.machine.images import Image
from local.sagemaker.wire.errors import ImageError

# As compileall's workers, and as one that has left its group.
CHILDREN = """
import os, subprocess, time
for session in (False, True):
    child = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL, start_new_session=session)
    print(child.pid, flush=True)
print(os.getpid(), flush=True)
time.sleep(600)
"""
CLOUD = f"""
import sys
from pathlib import Path
from local.sagemaker.machine.environments import Environments
from local.sagemaker.machine.images import Image
words = [sys.executable, "-c", {CHILDREN!r}]
Environments(Path("unused"), {{}})._run(words, Image("app", b"", None), lambda line: print(line, flush=True))
"""


def test_a_kill_of_the_cloud_ends_what_builds_and_all_that_it_started() -> None:
    with ExitStack() as stack:
        cloud = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-c", CLOUD], cwd=Path(__file__).parents[5], stdout=subprocess.PIPE, text=True
            )
        )
        stack.callback(cloud.kill)
        assert cloud.stdout is not None
        started = [int(cloud.stdout.readline()) for _ in range(3)]
        assert all(map(is_alive, started))
        cloud.send_signal(signal.SIGKILL)
        until_gone(started)


def test_a_stop_ends_what_builds_and_all_that_it_started() -> None:
    environments = Environments(Path("unused"), {})
    started: list[int] = []

    def progress(line: str) -> None:
        started.append(int(line))
        if len(started) == 3:
            environments.stop()

    code, _ = environments._run([sys.executable, "-c", CHILDREN], Image("app", b"", None), progress)
    assert code == 128 + signal.SIGKILL
    assert not any(map(is_alive, started))
    with pytest.raises(ImageError, match="is being stopped"):
        environments._run(["true"], Image("app", b"", None))


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    # One that has ended and that nobody has collected yet is gone.
    status = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False)
    return status.stdout.strip() not in ("", "Z")


def until_gone(processes: list[int]) -> None:
    deadline = time.monotonic() + 20
    while any(map(is_alive, processes)):
        assert time.monotonic() < deadline, f"of {processes} some live on"
        time.sleep(0.01)
