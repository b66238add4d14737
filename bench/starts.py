"""`headrace up` until it is ready: for the first time, and where nothing has changed; against MiniStack alone."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import urllib3

from bench.measure import ROOT, Row, compare, folder, in_turn, ms
from local.settings import free_port

_ROUNDS = 5
_SECONDS = 240.0
_HEADRACE = str(Path(sys.executable).parent / "headrace")


def run() -> Iterator[Row]:
    """Time until ready; and the processor's, of the process and of those of its children that have ended."""
    with folder() as place:
        kept, first = Path(place, "kept"), Path(place, "first")
        _start(kept)
        processor: dict[Path, list[float]] = {kept: [], first: []}

        def started(state: Path) -> float:
            wall, taken = _start(state)
            processor[state].append(taken)
            return wall

        def first_start() -> float:
            shutil.rmtree(first, ignore_errors=True)
            return started(first)

        theirs, mine, firsts = in_turn(_ROUNDS, _ministack, lambda: started(kept), first_start)
    yield compare("`headrace up` until ready, nothing changed, against MiniStack alone", mine, theirs, "1.5 s")
    yield Row("the same, processor time", ms(processor[kept]))
    yield Row("`headrace up` until ready, an empty state directory", ms(firsts))
    yield Row("the same, processor time", ms(processor[first]))


def _start(state: Path) -> tuple[float, float]:
    port = free_port()
    return _until_ready(
        [_HEADRACE, "up", "--port", str(port), "--state-dir", str(state)],
        f"http://127.0.0.1:{port}/_headrace/health",
        lambda page: json.loads(page)["status"] == "ready",
    )


def _ministack() -> float:
    port = str(free_port())
    command = ["env", "BIND_HOST=127.0.0.1", f"GATEWAY_PORT={port}", sys.executable, "-m", "ministack"]
    return _until_ready(command, f"http://127.0.0.1:{port}/_ministack/health", lambda _: True)[0]


def _until_ready(command: Sequence[str], url: str, ready: Callable[[bytes], bool]) -> tuple[float, float]:
    """Starts a program, and ends it once it is ready; milliseconds of the clock, and of the processor."""
    http, began = urllib3.PoolManager(timeout=5, retries=False), time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while time.perf_counter() < began + _SECONDS:
            with suppress(urllib3.exceptions.HTTPError):
                if ready(http.request("GET", url).data):
                    took, times = time.perf_counter() - began, psutil.Process(process.pid).cpu_times()
                    return took * 1000, sum(times[:4]) * 1000
            time.sleep(0.02)
        raise RuntimeError(f"{command[0]} was not ready in {_SECONDS:.0f} s")
    finally:
        process.terminate()
        process.wait(60)
