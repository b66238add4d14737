"""A SageMaker in a process of its own, which a test kills."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.unit.local.sagemaker.conftest import World


def cloud(world: World, program: str, which: str) -> "subprocess.Popen[str]":
    """`program` over this test's folder; its arguments are the folder, the cache, and `which`: first or second."""
    root = Path(__file__).parents[4]
    command = [sys.executable, "-c", program, str(world.root), str(world.cache), which]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root, env=environment)


def line(process: "subprocess.Popen[str]") -> Any:
    """What it says next."""
    assert process.stdout is not None
    return json.loads(process.stdout.readline())
