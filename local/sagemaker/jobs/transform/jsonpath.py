"""The JSONPath of batch transform's filters, which is a small part of the language.

`$`, `.name`, `['a','b']`, `[0]`, `[0,-1]`, `[1:]`, `[0,5:]` and `*`; one name or index answers the value, several a
selection.
Source: "Associate Prediction Results with Input Records" in the developer guide (supported JSONPath operators).
"""

import re
from collections.abc import Callable

from local.documents import Json
from local.sagemaker.wire.errors import ValidationException, WorkFailed

_STEP = re.compile(
    r"""\.?\[ \s* (?P<names> '[^']*' (?:\s*,\s*'[^']*')* | "[^"]*" (?:\s*,\s*"[^"]*")* ) \s* \]
    | \.?\[ \s* (?P<index> -?\d+ ) \s* \]
    | \.?\[ (?P<several> [-\d:\s]+ (?:,[-\d:\s]+)* ) \]
    | \.?\[ \s* (?P<all> \* ) \s* \] | \.(?P<every> \* )
    | \.(?P<name> [^.\[\]'"*\s]+ )""",
    re.VERBOSE,
)

Selector = Callable[[Json], Json]


class Missing(WorkFailed):
    """The path leads nowhere in a record."""


def compiled(path: str) -> Selector:
    """Raises ValidationException for what is no such path; the selector raises Missing."""
    if not path.startswith("$"):
        raise ValidationException(f"The JSONPath {path!r} does not start with $.")
    steps, position = [], 1
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None:
            raise ValidationException(f"The JSONPath {path!r} is not one that batch transform supports.")
        steps.append(_step(match))
        position = match.end()

    def select(value: Json) -> Json:
        for step in steps:
            try:
                value = step(value)
            except (LookupError, TypeError) as error:
                raise Missing(f"{path} selects nothing: {error}") from error
        return value

    return select


def _step(step: re.Match[str]) -> Selector:
    if step["all"] or step["every"]:
        return lambda value: list(value.values()) if isinstance(value, dict) else list(value)
    if step["names"] or step["name"]:
        names = [step["name"]] if step["name"] else [a or b for a, b in re.findall(r"'([^']*)'|\"([^\"]*)\"", step[0])]
        return lambda value: value[names[0]] if len(names) == 1 else {name: value[name] for name in names}
    if step["index"]:
        index = int(step["index"])
        return lambda value: value[index]
    return _several([_part(word.strip(), step[0]) for word in step["several"].split(",")])


def _part(word: str, step: str) -> int | slice:
    if re.fullmatch(r"-?\d+", word):
        return int(word)
    ends = re.fullmatch(r"(-?\d+)?\s*:\s*(-?\d+)?", word)
    if ends is None:
        raise ValidationException(f"The JSONPath step {step} is not one that batch transform supports.")
    return slice(*(None if end is None else int(end) for end in ends.groups()))


def _several(parts: list[int | slice]) -> Selector:
    def select(value: Json) -> list[Json]:
        selected: list[Json] = []
        for part in parts:
            selected.extend(value[part] if isinstance(part, slice) else [value[part]])
        return selected

    return select
