"""What truly is JSON: no type says more of it than that it came over the wire, or goes there."""

from typing import Any, TypeAlias

Json: TypeAlias = Any
"""A value of JSON: None, bool, int, float, str, a list of such values or a dict of them by name."""

Document: TypeAlias = dict[str, Json]
"""A JSON object, above all a stored resource: the members AWS describes, and ours with a leading underscore."""
