"""Regular expressions of definitions, which must not hold the engine's thread.

The standard library's `re` may backtrack for ever, with no way to stop it and no other thread running meanwhile. The
`regex` package (Apache-2.0) takes the same patterns, ends a search when its time is over, and lets others run.
"""

from collections.abc import Callable, Iterator
from typing import Any

import regex  # type: ignore[import-untyped]

MOST_SECONDS = 0.5
"""Of processor time, for one search."""
_MAX_PATTERN = 10_000
"""Characters: to compile takes time, too, and cannot be stopped."""


class PatternProblem(Exception):
    """It is not a regular expression."""


class PatternTooSlow(Exception):
    """A search was given up."""

    def __init__(self, pattern: str) -> None:
        super().__init__(f"The regular expression /{pattern}/ takes more than {MOST_SECONDS} s")


class Pattern:
    """A compiled regular expression; its searches raise what `too_slow` makes of its text."""

    __slots__ = ("_compiled", "_too_slow", "text")

    def __init__(
        self,
        text: str,
        *,
        ignore_case: bool = False,
        multiline: bool = False,
        too_slow: Callable[[str], Exception] = PatternTooSlow,
    ) -> None:
        """Raises PatternProblem."""
        if len(text) > _MAX_PATTERN:
            raise PatternProblem(f"A regular expression must not be longer than {_MAX_PATTERN} characters")
        flags = (regex.IGNORECASE if ignore_case else 0) | (regex.MULTILINE if multiline else 0)
        try:
            self._compiled = regex.compile(text, flags)
        except (regex.error, RecursionError, OverflowError, ValueError) as error:
            raise PatternProblem(str(error)) from error
        self.text = text
        self._too_slow = too_slow

    def search(self, text: str) -> Any:
        try:
            return self._compiled.search(text, timeout=MOST_SECONDS, concurrent=True)
        except TimeoutError as error:
            raise self._too_slow(self.text) from error

    def fullmatch(self, text: str) -> Any:
        try:
            return self._compiled.fullmatch(text, timeout=MOST_SECONDS, concurrent=True)
        except TimeoutError as error:
            raise self._too_slow(self.text) from error

    def finditer(self, text: str) -> Iterator[Any]:
        try:
            yield from self._compiled.finditer(text, timeout=MOST_SECONDS, concurrent=True)
        except TimeoutError as error:
            raise self._too_slow(self.text) from error

    # By these four methods the JSONata package tells a regular expression from other values; it calls only the others.
    sub = split = search
