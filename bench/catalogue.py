"""Compiling the whole catalogue, with nothing cached and with nothing changed, against the SDK compiling the same."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.measure import ROOT, Row, compare, in_turn, milliseconds, ms, pairs
from bench.programs import Program

_ROUNDS = 7
_FOLDER = ROOT / "algorithms"


def _ask(by: str, cache: Path, times: int = 1) -> list[dict[str, Any]]:
    """The answers of one new process."""
    with Program("catalogue") as program:
        return [program.ask(by=by, folder=str(_FOLDER), cache=str(cache)) for _ in range(times)]


def _process(by: str, cache: Path) -> float:
    """Milliseconds from the start of a process to its end."""
    return milliseconds(lambda: _ask(by, cache))


def _cold() -> float:
    with tempfile.TemporaryDirectory() as cache:
        return _process("headrace", Path(cache))


def _import_sdk() -> float:
    code = "import warnings; warnings.simplefilter('ignore'); import sagemaker"
    return milliseconds(lambda: subprocess.run([sys.executable, "-c", code], check=True, capture_output=True))


def run() -> Iterator[Row]:
    """Processes of their own, then inside one that has compiled before."""
    count = sum(1 for place in _FOLDER.glob("*/algorithm.yaml"))
    with tempfile.TemporaryDirectory() as temporary:
        cache = Path(temporary)
        _ask("headrace", cache)
        cold, warm, sdk, bare = in_turn(
            _ROUNDS,
            _cold,
            lambda: _process("headrace", cache),
            lambda: _process("sdk", cache),
            _import_sdk,
        )
        yield compare(
            f"compile {count} algorithms, nothing cached, in a new process, against the SDK", cold, sdk, "1.0x"
        )
        yield compare(
            f"compile {count} algorithms, nothing changed, in a new process, against the SDK", warm, sdk, "0.2x"
        )
        yield compare("the same against `import sagemaker` and nothing else", warm, bare, "0.5x")
        ours = [answer for _ in range(_ROUNDS) for answer in _ask("headrace", cache)]
        assert not any(answer["sdk"] for answer in ours), "expected no sagemaker SDK in a process where nothing changed"
        yield Row(
            f"compile {count} algorithms, nothing changed, imports left out",
            ms([one["ms"] for one in ours]),
            aim="150 ms",
        )
        mine, theirs = pairs(
            lambda: float(_ask("headrace", cache, 2)[-1]["ms"]), lambda: float(_ask("sdk", cache, 2)[-1]["ms"]), _ROUNDS
        )
        yield compare("the same a second time in one process, against the SDK a second time", mine, theirs, "0.1x")
