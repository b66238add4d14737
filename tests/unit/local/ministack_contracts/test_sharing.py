"""Which calls of a function wait for an environment, and which have another one started."""

import threading
from collections.abc import Callable

import pytest

from local.ministack.functions.sharing import Sharing

LONG = 3600.0
"""Seconds of a start for which it is worth to wait as long as any test runs."""


class Call:
    """A call in a thread of its own that has its environment until it is let go."""

    def __init__(self, sharing: Sharing, function: str = "f:1", depth: int = 1) -> None:
        self.inside = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(sharing, function, depth), daemon=True)
        self._thread.start()
        self.started: Callable[[float], None]

    def _run(self, sharing: Sharing, function: str, depth: int) -> None:
        with sharing.environment(function, depth) as self.started:
            self.inside.set()
            self._over.wait(60)

    def begun(self) -> "Call":
        assert self.inside.wait(60)
        return self

    def ends(self) -> None:
        self._over.set()
        self._thread.join(60)


def state(sharing: Sharing, function: str = "f:1") -> tuple[int, int]:
    """Environments that are idle, and calls that run."""
    mine = sharing._functions[function]
    return mine.idle, sum(mine.running.values())


def test_calls_that_come_while_an_environment_is_busy_take_it_in_turn() -> None:
    sharing = Sharing()
    first = Call(sharing).begun()
    first.started(LONG)
    others = [Call(sharing) for _ in range(3)]
    first.ends()
    for _ in others:
        while not (running := [call for call in others if call.inside.is_set() and call._thread.is_alive()]):
            pass
        assert len(running) == 1
        running[0].ends()
    assert state(sharing) == (1, 0)


def test_calls_that_come_while_one_is_started_take_that_one() -> None:
    sharing = Sharing()
    first = Call(sharing).begun()
    second = Call(sharing)
    first.started(LONG)
    assert not second.inside.is_set()
    first.ends()
    second.begun().ends()
    assert state(sharing) == (1, 0)


def test_calls_that_have_waited_for_as_long_as_a_start_takes_have_another_one_started() -> None:
    sharing = Sharing()
    first = Call(sharing).begun()
    first.started(0.0)
    second = Call(sharing).begun()
    assert state(sharing) == (0, 2)
    first.ends()
    second.ends()
    assert state(sharing) == (2, 0)


def test_what_calls_wait_counts_together() -> None:
    sharing = Sharing()
    first = Call(sharing).begun()
    first.started(0.2)
    waited = Call(sharing)
    first.ends()
    waited.begun()
    # Whatever that one waited, a sum that has reached the start is not waited for again.
    sharing._functions["f:1"].waited = 0.2
    another = Call(sharing).begun()
    for call in (waited, another):
        call.ends()


@pytest.mark.parametrize(("function", "depth"), [("f:1", 2), ("f:2", 1), ("g:1", 1)])
def test_nobody_waits_for_a_call_of_another_depth_or_another_version_or_function(function: str, depth: int) -> None:
    sharing = Sharing()
    first = Call(sharing).begun()
    first.started(LONG)
    Call(sharing, function, depth).begun().ends()
    first.ends()


def test_a_start_that_fails_is_waited_for_no_longer() -> None:
    sharing = Sharing()
    first = Call(sharing).begun()
    second = Call(sharing)
    first.ends()
    second.begun().ends()


def test_an_environment_that_was_dropped_is_not_counted_on() -> None:
    sharing = Sharing()
    first, second = Call(sharing).begun(), Call(sharing, depth=2).begun()
    for call in (first, second):
        call.started(LONG)
        call.ends()
    assert state(sharing) == (2, 0)
    # The function's code has changed: the pool is empty, and this call has one started.
    third = Call(sharing).begun()
    third.started(LONG)
    assert state(sharing) == (0, 1)
    third.ends()
