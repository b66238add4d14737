"""What the scripts of this folder share: where SageMaker puts things, and how a failure is told.

The walk: process.py, then train.py, evaluate.py and inference.py. The image's Python is 3.6, so newer syntax stays out.
"""

import argparse
import os
import sys
import traceback
from pathlib import Path

BASE = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
PROCESSING_REPORT = BASE / "output" / "message"
TRAINING_REPORT = BASE / "output" / "failure"
LONGEST_REPORT = 1024


class Problem(ValueError):
    """Something the person who sent the input can correct. Its text is one paragraph that says what and where."""

    status_code = 400


class Arguments(argparse.ArgumentParser):
    """Command-line arguments whose errors are told like every other problem."""

    def error(self, message):
        raise Problem(f"The arguments of the command are wrong: {message}.")


def run(work, report: Path) -> int:
    """Do the work and answer the exit code: 0, or 1 with the reason in `report` and as the last line of stderr."""
    try:
        work()
    except Problem as problem:
        reason = str(problem)
    except Exception as error:  # noqa: BLE001 - the process edge: whatever it was, the job's owner gets to read it
        traceback.print_exc()
        reason = f"{type(error).__name__}: {error}"
    else:
        return 0
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_bytes(reason.encode("utf-8", "replace")[:LONGEST_REPORT].decode("utf-8", "ignore").encode())
    print(reason, file=sys.stderr, flush=True)
    return 1


def place(variable: str, *default: str) -> Path:
    """The folder that an SM_* variable names, or its place under /opt/ml."""
    return Path(os.environ.get(variable, BASE.joinpath(*default)))
