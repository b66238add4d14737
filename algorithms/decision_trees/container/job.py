"""What the programs of this folder share: where SageMaker puts things, and how a failure is told."""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

# SageMaker's fixed place; a run outside a container names another root.
BASE = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
PROCESSING_REPORT = BASE / "output" / "message"
TRAINING_REPORT = BASE / "output" / "failure"
LONGEST_REPORT = 1024


class Problem(Exception):
    """Something the person who sent the input can correct. Its text is one paragraph that says what and where."""

    status_code = 400


class Arguments(argparse.ArgumentParser):
    """Command-line arguments whose errors are told like every other problem. `a_b` may be written `a-b`."""

    def option(self, name: str, kind: Callable[[str], object], default: object) -> None:
        spellings = dict.fromkeys([f"--{name}", f"--{name.replace('_', '-')}"])
        self.add_argument(*spellings, type=kind, default=default, dest=name)

    def error(self, message: str) -> NoReturn:
        raise Problem(f"The arguments of the command are wrong: {message}.")


def run(work: Callable[[], None], report: Path) -> int:
    """Do the work and answer the exit code: 0, or 1 with the reason in `report` and as the last lines of stderr."""
    try:
        work()
    except Problem as problem:
        reason = str(problem)
    except MemoryError:
        reason = "The machine's memory does not hold this dataset: use a larger instance or a smaller file."
    except Exception as error:  # noqa: BLE001 - the process edge: whatever it was, the job's owner gets to read it
        traceback.print_exc()
        reason = f"{type(error).__name__}: {error}"
    else:
        return 0
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_bytes(_shortened(reason))
    print(reason, file=sys.stderr, flush=True)
    return 1


def hyperparameters(known: Mapping[str, Callable[[str], object]]) -> dict[str, object]:
    """The values in hyperparameters.json for the names in `known`, each converted by its own function.

    SageMaker hands every value over as a string; some clients encode strings as JSON once more.
    """
    path = BASE / "input" / "config" / "hyperparameters.json"
    given = json.loads(path.read_text("utf-8")) if path.exists() else {}
    for name in sorted(given.keys() - known.keys()):
        if not name.startswith("sagemaker_"):
            print(f"The hyperparameter {name} is not used here; known are: {', '.join(known)}.", file=sys.stderr)
    return {name: _converted(name, given[name], kind) for name, kind in known.items() if name in given}


def whole_number(minimum: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        value = int(text)
        if value < minimum:
            raise ValueError
        return value

    convert.__name__ = f"whole number of at least {minimum}"
    return convert


def number_between(lowest: float, highest: float) -> Callable[[str], float]:
    def convert(text: str) -> float:
        value = float(text)
        if not lowest <= value <= highest:
            raise ValueError
        return value

    convert.__name__ = f"number between {lowest:g} and {highest:g}"
    return convert


def one_of(*choices: str) -> Callable[[str], str]:
    def convert(text: str) -> str:
        if text not in choices:
            raise ValueError
        return text

    convert.__name__ = f"word out of {', '.join(choices)}"
    return convert


def _converted(name: str, value: object, kind: Callable[[str], object]) -> object:
    text = value if isinstance(value, str) else json.dumps(value)
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = str(json.loads(text))
    try:
        return kind(text)
    except ValueError as error:
        raise Problem(f'Hyperparameter {name}: "{text}" is not a {kind.__name__}.') from error


def _shortened(reason: str) -> bytes:
    encoded = reason.encode("utf-8", "replace")
    if len(encoded) <= LONGEST_REPORT:
        return encoded
    return encoded[: LONGEST_REPORT - 4].decode("utf-8", "ignore").encode() + b" ..."
