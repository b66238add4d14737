"""What truly is JSON: no type says more of it than that it is written to a file or sent."""

from typing import Any, TypeAlias

Json: TypeAlias = Any
"""A value of JSON: None, bool, int, float, str, a list of such values or a dict of them by name."""

Document: TypeAlias = dict[str, Json]
"""A JSON object: a definition, a part of one, a request."""
