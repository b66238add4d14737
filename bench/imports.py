"""How long each Lambda module takes to import, against `import boto3` plus one client: the least any function needs."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.measure import Row, compare, pairs
from local import template

_ROOT = Path(__file__).resolve().parent.parent
_ROUNDS = 7
_TIMED = """
import time
start = time.perf_counter()
{code}
print((time.perf_counter() - start) * 1000)
"""
_PEER = "import boto3; boto3.client('dynamodb', region_name='us-east-1')"


def handlers() -> list[str]:
    """The modules that template.yaml names as handlers."""
    resources = template.read(_ROOT / "template.yaml")["Resources"].values()
    functions = [entry for entry in resources if entry["Type"] == "AWS::Serverless::Function"]
    return sorted(entry["Properties"]["Handler"].rpartition(".")[0] for entry in functions)


def _milliseconds(code: str) -> float:
    run = subprocess.run(
        [sys.executable, "-c", _TIMED.format(code=code)], cwd=_ROOT, check=True, capture_output=True, text=True
    )
    return float(run.stdout)


def run() -> Iterator[Row]:
    """A row a function."""
    for module in handlers():
        mine, theirs = pairs(lambda m=module: _milliseconds(f"import {m}"), lambda: _milliseconds(_PEER), _ROUNDS)  # type: ignore[misc]
        yield compare(f"import {module}", mine, theirs, "1.3x")
