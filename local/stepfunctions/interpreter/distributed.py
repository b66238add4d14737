"""Distributed Map states. The interpreter prepares the map run and takes its results; the run itself, with its child
executions, is the executor's (`StartMapRun`)."""

from collections.abc import Iterator
from typing import Any

from local.documents import Json
from local.stepfunctions.asl.documents import decode, encode, size
from local.stepfunctions.asl.errors import StatesError, runtime
from local.stepfunctions.asl.machine.machine import Batcher, Distribution, MapState
from local.stepfunctions.asl.scope import Scope
from local.stepfunctions.interpreter.commands import Part, StartMapRun
from local.stepfunctions.interpreter.events import EventType
from local.stepfunctions.interpreter.execution import Frame, MapRunTried, Task
from local.stepfunctions.interpreter.failing import evaluation_failed, fail
from local.stepfunctions.interpreter.run import Run


def run_distributed(run: Run, frame: Frame, state: MapState, effective: Any) -> None:
    """Raises StatesError."""
    distribution = _distribution(state)
    scope = run.scope(frame)
    items = None if distribution.reader is not None else state.items(scope, effective)
    # A wrong MaxConcurrency is told before the state starts, a wrong toleration after.
    _concurrency(state, scope, effective)
    run.emit(frame, EventType.MAP_STATE_STARTED, {"length": 0 if items is None else len(items)})
    tried = MapRunTried(_arn(run, distribution), 0)
    command = _command(run, frame, state, effective, run.execution.last + 1, tried)
    run.emit(frame, EventType.MAP_RUN_STARTED, {"mapRunArn": command.arn})
    run.commands.append(command)


def redriven(run: Run, frame: Frame, state: MapState, tried: MapRunTried) -> None:
    """Goes on with what was not successful in the same map run. Raises StatesError."""
    effective = state.flow.enter(run.scope(frame))
    redrives = tried.redrives + 1
    command = _command(run, frame, state, effective, run.execution.last + 1, MapRunTried(tried.arn, redrives))
    run.emit(frame, EventType.MAP_RUN_REDRIVEN, {"mapRunArn": tried.arn, "redriveCount": redrives})
    run.commands.append(command)


def resumed(run: Run, frame: Frame, state: MapState, task: Task) -> StartMapRun:
    """Returns the command once more; the executor knows by its ARN whether the map run is there already."""
    if frame.map_run is None:
        raise TypeError(f"{state.name} has no map run")
    effective = state.flow.enter(run.scope(frame))
    return _command(run, frame, state, effective, task.id, frame.map_run)


def _distribution(state: MapState) -> Distribution:
    if state.distribution is None:
        raise TypeError(f"{state.name} is inline")
    return state.distribution


def _command(run: Run, frame: Frame, state: MapState, effective: Any, task: int, tried: MapRunTried) -> StartMapRun:
    distribution = _distribution(state)
    scope = run.scope(frame)
    items = None if distribution.reader is not None else state.items(scope, effective)
    count, percentage = tolerated(state, scope, effective)
    reader = distribution.reader_arguments
    writer = distribution.writer_arguments
    return StartMapRun(
        task=task,
        arn=tried.arn,
        redrives=tried.redrives,
        state=state,
        processor=state.processor,
        inputs=None if items is None else item_inputs(run, frame, state, effective, items),
        reader_arguments=None if reader is None else reader(scope, effective),
        reader_config=None if distribution.reader_config is None else distribution.reader_config(scope, effective),
        writer_arguments=None if writer is None else writer(scope, effective),
        max_concurrency=_concurrency(state, scope, effective),
        tolerated_count=count,
        tolerated_percentage=percentage,
    )


def _concurrency(state: MapState, scope: Scope, effective: Any) -> int:
    return 0 if state.max_concurrency is None else int(state.max_concurrency(scope, effective))


def tolerated(state: MapState, scope: Scope, effective: Any) -> tuple[int | None, float | None]:
    """(count, percentage) of items that may fail. Raises StatesError."""
    count = None if state.tolerated_count is None else state.tolerated_count(scope, effective)
    percentage = None if state.tolerated_percentage is None else state.tolerated_percentage(scope, effective)
    if count is not None and count < 0:
        raise runtime("ToleratedFailureCount cannot be negative.")
    if percentage is not None and not 0 <= percentage <= 100:
        raise runtime("ToleratedFailurePercentage must be between 0 and 100.")
    return count, None if percentage is None else float(percentage)


def _arn(run: Run, distribution: Distribution) -> str:
    head, _, name = run.execution.identity.machine_arn.rpartition(":stateMachine:")
    return f"{head}:mapRun:{name}/{distribution.label or run.effects.uuid()}:{run.effects.uuid()}"


def item_inputs(run: Run, frame: Frame, state: MapState, effective: Any, items: list[Json]) -> list[Json]:
    """Returns the child executions' inputs. Raises StatesError."""
    chosen = items
    if state.selector is not None:
        selector, first = state.selector, items.first if isinstance(items, Part) else 0
        chosen = [selector(run.scope(frame, item=(index, item)), effective) for index, item in enumerate(items, first)]
    batcher = None if state.distribution is None else state.distribution.batcher
    if batcher is None:
        return chosen
    if not isinstance(items, Part):
        return list(_batches(run.scope(frame), batcher, effective, chosen))
    inputs = list(_batches(run.scope(frame), batcher, effective, [*items.tail, *chosen]))
    items.tail = () if items.is_last or not inputs else inputs.pop()["Items"]
    return inputs


def _batches(scope: Scope, batcher: Batcher, effective: Any, items: list[Json]) -> Iterator[dict[str, Json]]:
    most = None if batcher.max_items is None else batcher.max_items(scope, effective)
    limit = None if batcher.max_bytes is None else batcher.max_bytes(scope, effective)
    head = {} if batcher.batch_input is None else {"BatchInput": batcher.batch_input(scope, effective)}
    base = size(encode({**head, "Items": []}))
    batch: list[Json] = []
    used = base
    for item in items:
        needed = size(encode(item)) + 1
        if batch and ((most and len(batch) >= most) or (limit and used + needed > limit)):
            yield {**head, "Items": batch}
            batch, used = [], base
        batch.append(item)
        used += needed
    if batch:
        yield {**head, "Items": batch}


def succeeded(run: Run, frame: Frame, state: MapState, output: str) -> None:
    run.emit(frame, EventType.MAP_RUN_SUCCEEDED)
    run.emit(frame, EventType.MAP_STATE_SUCCEEDED)
    scope = run.scope(frame)
    scope.result, scope.has_result = decode(output), True
    try:
        left = state.flow.leave(scope, scope.result)
        run.leave(frame, left.output, left.assigned, state.next)
    except StatesError as error:
        evaluation_failed(run, frame, error)


def failed(run: Run, frame: Frame, error: str | None, cause: str | None) -> None:
    said = {name: text for name, text in (("error", error), ("cause", cause)) if text is not None}
    run.emit(frame, EventType.MAP_RUN_FAILED, said)
    fail(run, frame, error, cause)
