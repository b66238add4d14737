"""How often Python looks for cycles of garbage in a process that has many executions."""

import gc

_THRESHOLDS = (20_000, 20, 50)


def collect_seldom() -> None:
    """Set for the whole process.

    A hundred thousand waiting executions are a million small objects, none of them in a cycle. At Python's own
    thresholds they are looked through so often that it takes a third of the engine's time.
    """
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
