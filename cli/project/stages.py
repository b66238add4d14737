"""The stages that samconfig.toml has a section of: which stack each deploys."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from cli.errors import UsageError
from cli.project.checkout import Project
from pipelines.documents import Json


def stack_of(project: Project, stage: str) -> str:
    """Returns the stack that samconfig.toml names for a stage.

    Raises UsageError for a stage that has no section of its own there, or whose section deploys another one: SAM
    would take defaults without a word, and the catalogue would be published beside the stack.
    """
    file = project.root / "samconfig.toml"
    sections = _sections(file)
    if stage not in sections:
        raise UsageError(f"{file}: no stage {stage}; there are {', '.join(sections) or 'none'}")
    section = sections[stage]
    overrides = _parameter(section, "parameter_overrides", [])
    if f"Stage={stage}" not in (overrides.split() if isinstance(overrides, str) else overrides):
        raise UsageError(f"{file}: [{stage}.deploy.parameters] parameter_overrides: expected Stage={stage}")
    stack = _parameter(section, "stack_name", None)
    if not isinstance(stack, str):
        raise UsageError(f"{file}: [{stage}.global.parameters] stack_name: expected headrace-{stage}")
    return stack


def _sections(file: Path) -> dict[str, Mapping[str, Json]]:
    """Reads the stages of samconfig.toml. SAM's `default` is none: it stands for one of the others."""
    try:
        document = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{file}: cannot be read: {error}") from error
    return {name: value for name, value in document.items() if isinstance(value, dict) and name != "default"}


def _parameter(section: Mapping[str, Json], name: str, default: object) -> Json:
    """Returns a parameter of `sam deploy`: under `deploy`, else under `global`, as SAM looks it up."""
    for command in ("deploy", "global"):
        parameters = section.get(command, {}).get("parameters", {})
        if name in parameters:
            return parameters[name]
    return default
