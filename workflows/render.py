"""The machines -> state_machines/*.asl.json: what SAM deploys, what the console shows and what the local cloud runs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from workflows import chained_inference, deployment, face_processing, retraining, training
from workflows.sdk import Graph

MACHINES: Final[dict[str, Callable[[], Graph]]] = {
    "chained_inference": chained_inference.machine,
    "deployment": deployment.machine,
    "face_processing": face_processing.machine,
    "retraining": retraining.machine,
    "training": training.machine,
}

_FIRST: Final = ("Comment", "StartAt", "Type", "Resource")


def render() -> dict[str, str]:
    """Returns the ASL text of every machine, by name; equal sources give equal bytes."""
    return {name: _text(machine().to_dict()) for name, machine in MACHINES.items()}


def write(folder: Path) -> tuple[Path, ...]:
    """Write `<folder>/<name>.asl.json` for each machine. Other files stay. Returns the files that changed."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = []
    for name, text in render().items():
        place = folder / f"{name}.asl.json"
        if _read(place) != text:
            place.write_text(text, encoding="utf-8")
            changed.append(place)
    return tuple(changed)


def check(folder: Path) -> tuple[str, ...]:
    """Returns one line for each machine whose file differs from its source. Empty when all agree."""
    return tuple(
        f"{folder.name}/{name}.asl.json: expected what workflows/{name}.py says, found {_found(folder, name)}"
        for name, text in render().items()
        if _read(folder / f"{name}.asl.json") != text
    )


def _found(folder: Path, name: str) -> str:
    return "another text" if (folder / f"{name}.asl.json").is_file() else "no file"


def _read(place: Path) -> str | None:
    return place.read_text(encoding="utf-8") if place.is_file() else None


def _text(machine: dict[str, Any]) -> str:
    states = {name: machine["States"][name] for name in _walk(machine)}
    return json.dumps(_ordered({**machine, "States": states}), indent=2, ensure_ascii=False) + "\n"


def _walk(machine: dict[str, Any]) -> list[str]:
    """Returns the names of the states as an execution meets them: the usual way first, then what errors lead to."""
    usual, errors, seen = [machine["StartAt"]], list[str](), list[str]()
    while usual or errors:
        name = usual.pop(0) if usual else errors.pop(0)
        if name not in seen:
            seen.append(name)
            state = machine["States"][name]
            choices = [choice["Next"] for choice in state.get("Choices", [])]
            usual = [*choices[:1], *(state[key] for key in ("Next", "Default") if key in state), *usual, *choices[1:]]
            errors += [catch["Next"] for catch in state.get("Catch", [])]
    return seen


def _ordered(value: Any) -> Any:
    """Puts first what a reader wants to see first; the rest, and the states themselves, keep their order."""
    match value:
        case dict():
            keys = [key for key in _FIRST if key in value] + [key for key in value if key not in _FIRST]
            return {key: _ordered(value[key]) for key in keys}
        case list():
            return [_ordered(item) for item in value]
        case _:
            return value
