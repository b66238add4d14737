"""What the expressions of a state see."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from local.documents import Json


class Effects(Protocol):
    """What an execution cannot know by itself. Recorded outcomes, never these, are read when a history is replayed."""

    def random(self) -> float:
        """Returns a number of at least 0, below 1."""

    def uuid(self) -> str:
        """Returns a random UUID (version 4)."""

    def token(self, task: int) -> str:
        """Returns the token of the task scheduled by this event; the same one each time it is asked for."""


class Scope:
    """One visit of one state."""

    __slots__ = ("_context", "_make_context", "effects", "error_output", "has_result", "input", "now", "result",
                 "trace", "variables")  # fmt: skip

    def __init__(
        self,
        value: Any,
        make_context: Callable[[], Any],
        variables: Mapping[str, Json],
        effects: Effects,
        now: float,
        trace: dict[str, Json] | None = None,
    ) -> None:
        self.input = value
        """The state's input, before InputPath."""
        self._make_context = make_context
        self._context: Any = None
        self.variables = variables
        self.effects = effects
        self.now = now
        self.result: Any = None
        self.has_result = False
        self.error_output: Any = None
        self.trace = trace
        """What TestState shows, filled while fields apply."""

    @property
    def context(self) -> Any:
        """The context object, made when it is first asked for."""
        if self._context is None:
            self._context = self._make_context()
        return self._context

    def states(self) -> dict[str, Json]:
        """Returns the `$states` of JSONata."""
        states = {"input": self.input, "context": self.context}
        if self.has_result:
            states["result"] = self.result
        if self.error_output is not None:
            states["errorOutput"] = self.error_output
        return states


Expression = Callable[[Any, Scope], Any]
"""(what `$` stands for, scope) -> value. Raises StatesError."""
