"""What a rule is."""

from collections.abc import Callable, Iterator
from pathlib import Path

from pipelines.spec import AlgorithmSpec

Finding = tuple[str, str]
"""(dotted path, text)."""
Rule = Callable[[AlgorithmSpec, Path], Iterator[Finding]]
