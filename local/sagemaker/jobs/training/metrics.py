"""Metrics that a training job's regular expressions find in its output."""

import math
import re
import threading
from collections.abc import Mapping, Sequence

from local.documents import Document, Json
from local.sagemaker.wire.errors import ValidationException
from local.store import now


class Metrics:
    """Keeps the last value of each metric. Fed line by line, by one thread per instance."""

    def __init__(self, definitions: Sequence[Mapping[str, Json]]) -> None:
        """Raises ValidationException for an expression that is none."""
        self._expressions: list[tuple[str, re.Pattern[str]]] = []
        self._last: dict[str, Document] = {}
        self._lock = threading.Lock()
        for definition in definitions:
            try:
                self._expressions.append((definition["Name"], re.compile(definition["Regex"])))
            except re.error as error:
                raise ValidationException(
                    f"The regular expression of metric {definition['Name']!r} is not valid: {error}"
                ) from error

    @property
    def any(self) -> bool:
        """There is something to look for."""
        return bool(self._expressions)

    def see(self, line: str) -> None:
        for name, expression in self._expressions:
            for match in expression.finditer(line):
                value = _number(match)
                if value is not None:
                    with self._lock:
                        self._last[name] = {"MetricName": name, "Value": value, "Timestamp": now()}

    def final(self) -> list[Document]:
        """Returns the FinalMetricDataList."""
        with self._lock:
            return list(self._last.values())


def _number(match: re.Match[str]) -> float | None:
    try:
        value = float(match.group(1 if match.re.groups else 0))
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None
