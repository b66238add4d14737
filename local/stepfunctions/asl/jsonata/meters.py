"""How much one JSONata expression may do, so that it cannot hold the engine's thread or fill its memory.

The bounds are on steps, on the size of each value and on all that is made, so that the same expression always ends the
same way. Processor time is the last one, for what is slow in spite of them.
"""

import time
from collections.abc import Iterable
from typing import Any

import jsonata  # type: ignore[import-untyped]

from local.documents import Json
from local.stepfunctions.asl.documents import MAX_BYTES, MAX_DEPTH

MAX_STEPS = 200_000
"""Nodes of the expression that are evaluated; an input of 256 KiB seldom has more than some 10,000 items."""
MAX_SIZE = 4 * MAX_BYTES
"""Of any value, in characters and the like: what a state puts out may have a quarter of it, as bytes."""
MAX_MADE = 64 * MAX_SIZE
"""Of all values together, those included that the expression has dropped."""
MAX_SECONDS = 1.5
"""Of this thread's processor time: how busy the machine is does not count."""
_ITEM = 16
"""What an item of an array takes, of MAX_MADE."""
_PAIR = 512
"""And where each item becomes an object that the package carries through the path."""
_TICKS_TO_THE_CLOCK = 128
_KEPT = 16 * MAX_SIZE
_CONTAINERS = (list, dict)


class TooMuch(jsonata.JException):  # type: ignore[misc]
    """A bound is exceeded. The package hands its own errors on as they are."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code, -1)
        self.text = text

    def __str__(self) -> str:
        return self.text


class Meter:
    """Of one evaluation."""

    __slots__ = ("_given", "_item", "_kept", "_kept_size", "_made", "_sizes", "_steps", "_ticks", "_until")

    def __init__(self, values: Iterable[Any] = (), *, joins: bool = False) -> None:
        """`given` may be larger than what is made, such as the result of a Map state; they live as long as this.

        `joins`: the expression binds variables to the steps of a path, and so makes an object for each pair.
        """
        self._given = {id(value) for value in values}
        self._steps = MAX_STEPS
        self._made = MAX_MADE
        self._item = _PAIR if joins else _ITEM
        self._ticks = _TICKS_TO_THE_CLOCK
        self._until = time.thread_time() + MAX_SECONDS
        self._sizes: dict[int, tuple[int, int]] = {}
        """(size, depth) of arrays and objects, by identity."""
        self._kept: list[Json] = []
        """Those, so that no other value gets the identity of one."""
        self._kept_size = 0

    def evaluated(self, _expression: Any, _input: Any, _frame: Any, result: Any) -> None:
        """Counts what a node of the expression gave."""
        self._steps -= 1
        if self._steps < 0:
            raise TooMuch("D1012", f"The expression takes more than {MAX_STEPS} steps")
        self.made(result)

    def made(self, value: Any) -> None:
        """Raises TooMuch where the value is too large, or where too much has been made by now."""
        ticks = 1
        if type(value) is str:
            self.room(len(value))
            ticks += len(value) >> 12
        elif id(value) in self._given:
            ticks = _TICKS_TO_THE_CLOCK // 2
        elif isinstance(value, _CONTAINERS):
            self._made -= self._item * len(value)
            size, depth = self._weight(value, 0)
            if size > MAX_SIZE:
                raise _too_large()
            if depth > MAX_DEPTH:
                raise TooMuch("D1011", f"The expression makes a value of more than {MAX_DEPTH} levels")
            ticks += size >> 6
        if self._made < 0:
            raise _too_much_in_all()
        self._ticks -= ticks
        if self._ticks < 0:
            self._look_at_the_clock()

    def room(self, length: int) -> None:
        """Asks for a text before it is made. Raises TooMuch."""
        if length > MAX_SIZE:
            raise _too_large()
        self._made -= length
        if self._made < 0:
            raise _too_much_in_all()

    def pretty(self, value: Any) -> None:
        """Asks for the room of the value's text where each item stands on a line of its own, indented."""
        size, depth = self._weight(value, 0)
        self.room(size * (depth + 1))

    def forget(self) -> None:
        """Values were changed in place."""
        self._sizes.clear()
        self._kept.clear()
        self._kept_size = 0

    def _weight(self, value: Any, above: int) -> tuple[int, int]:
        known = self._sizes.get(id(value))
        if known is not None:
            return known
        if id(value) not in self._given:
            return self._weigh(value, above)
        try:
            return self._weigh(value, above)
        except TooMuch:
            # It may be referred to, but not be put twice into something new.
            weight = self._sizes[id(value)] = (MAX_SIZE // 2 + 1, 1)
            return weight

    def _weigh(self, value: Any, above: int) -> tuple[int, int]:
        """(size, depth), each item counted as often as it stands there: so it would be written."""
        if above > MAX_DEPTH:
            return 0, MAX_DEPTH + 1
        if isinstance(value, jsonata.Utils.RangeList):
            # Its items are made when they are asked for.
            return 2 * len(value), 1
        size, depth = 2, 0
        if isinstance(value, dict):
            size += len("".join(value)) + len(value)
        for item in value.values() if isinstance(value, dict) else value:
            if isinstance(item, str):
                size += len(item) + 2
            elif isinstance(item, _CONTAINERS):
                inner, below = self._weight(item, above + 1)
                size += inner
                if below > depth:
                    depth = below
                if size > MAX_SIZE:
                    raise _too_large()
            else:
                size += 2
        self._keep(value, (size, depth + 1))
        return size, depth + 1

    def _keep(self, value: Any, weight: tuple[int, int]) -> None:
        if self._kept_size > _KEPT:
            self.forget()
        self._kept_size += weight[0]
        self._kept.append(value)
        self._sizes[id(value)] = weight

    def _look_at_the_clock(self) -> None:
        self._ticks = _TICKS_TO_THE_CLOCK
        if time.thread_time() > self._until:
            raise TooMuch("D1012", f"The expression takes more than {MAX_SECONDS} s")


def _too_large() -> TooMuch:
    return TooMuch("D2014", f"The expression makes a value larger than {MAX_SIZE} characters")


def _too_much_in_all() -> TooMuch:
    return TooMuch("D2014", f"The expression makes values of more than {MAX_MADE} characters in all")
