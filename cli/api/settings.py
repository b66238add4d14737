"""Hyperparameters as a person types them, `name=value`, and as the API takes them."""

import json
from collections.abc import Iterable

from cli.errors import UsageError
from pipelines.documents import Document


def hyperparameters(settings: Iterable[str]) -> Document:
    """Reads `name=value` words as the API takes them: a number, a text in double quotes, or all else as it stands.

    Raises UsageError.
    """
    values: Document = {}
    for word in settings:
        name, sign, value = word.partition("=")
        if not name or not sign:
            raise UsageError(f"--set: expected name=value, found {word!r}")
        try:
            read = json.loads(value)
        except ValueError:
            read = None
        values[name] = read if isinstance(read, int | float | str) and not isinstance(read, bool) else value
    return values
