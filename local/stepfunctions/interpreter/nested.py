"""Parallel and inline Map states: lines of states inside a state."""

from typing import Any

from local.documents import Json
from local.stepfunctions.asl.documents import EMPTY, Document, encode, too_deep
from local.stepfunctions.asl.errors import StatesError
from local.stepfunctions.asl.machine.machine import MapState, ParallelState
from local.stepfunctions.interpreter import distributed
from local.stepfunctions.interpreter.events import EventType, MarkType
from local.stepfunctions.interpreter.execution import Frame, Plan
from local.stepfunctions.interpreter.failing import abort_lines, evaluation_failed
from local.stepfunctions.interpreter.run import Run, too_large, written

INLINE_CONCURRENCY = 40
"""Iterations of an inline Map at a time, where the state does not say."""


def run_parallel(run: Run, frame: Frame, state: ParallelState) -> None:
    """Raises StatesError."""
    effective = state.flow.enter(run.scope(frame))
    document = run.document(frame, effective)
    run.emit(frame, EventType.PARALLEL_STATE_STARTED)
    for number in frame.children:
        child = run.execution.frames[number]
        run.ready.append((child, child.flow.start, document))


def run_map(run: Run, frame: Frame, state: MapState) -> None:
    """Raises StatesError."""
    scope = run.scope(frame)
    effective = state.flow.enter(scope)
    if state.distribution is not None:
        distributed.run_distributed(run, frame, state, effective)
        return
    items = state.items(scope, effective)
    concurrency = 0 if state.max_concurrency is None else state.max_concurrency(scope, effective)
    for limit in (state.tolerated_count, state.tolerated_percentage):
        if limit is not None:
            limit(scope, effective)
    text = encode(items)
    if too_deep(items, text):
        raise too_large(state.name)
    details: dict[str, Json] = {"items": text, "concurrency": concurrency}
    if effective is not scope.input:
        details["input"] = encode(effective)
    run.mark(frame, MarkType.PLAN, details, document=Document(items, ""))
    run.emit(frame, EventType.MAP_STATE_STARTED, {"length": len(items)})
    if not items:
        _map_succeeded(run, frame, state)
        return
    fill(run, frame, state)


def fill(run: Run, frame: Frame, state: MapState) -> None:
    """Start iterations until as many run as may."""
    plan = frame.plan
    if plan is None:
        return
    wide = plan.concurrency if 0 < plan.concurrency < INLINE_CONCURRENCY else INLINE_CONCURRENCY
    while len(frame.children) < wide and plan.started < len(plan.items):
        if not _start_iteration(run, frame, state, frame.previous):
            return


def _start_iteration(run: Run, frame: Frame, state: MapState, previous: int) -> bool:
    """Returns False where the item's input cannot be made and the state has failed."""
    plan = frame.plan
    if plan is None:
        return False
    index = plan.started
    try:
        document = item_input(run, frame, state, plan, index)
    except StatesError as error:
        abort_lines(run, frame, previous)
        run.mark(frame, MarkType.FAILED, {})
        evaluation_failed(run, frame, error)
        return False
    run.emit(frame, EventType.MAP_ITERATION_STARTED, {"name": state.name, "index": index}, previous=previous)
    child = run.execution.frames[frame.children[-1]]
    run.ready.append((child, child.flow.start, document))
    return True


def item_input(run: Run, frame: Frame, state: MapState, plan: Plan, index: int) -> Document:
    """Returns the input of one iteration. Raises StatesError."""
    item = plan.items[index]
    if state.selector is not None:
        item = state.selector(run.scope(frame, item=(index, item)), plan.effective)
    return Document(item, written(item, state.name))


def line_succeeded(run: Run, frame: Frame) -> None:
    """Takes in that a branch or an iteration is through."""
    parent = run.execution.frames[frame.parent or 0]
    state = parent.definition
    if isinstance(state, MapState):
        _iteration_succeeded(run, frame, parent, state)
    elif isinstance(state, ParallelState):
        children = [run.execution.frames[number] for number in parent.children]
        if all(child.state is None and child.output is not None for child in children):
            _parallel_succeeded(run, frame, parent, state, children)


def _parallel_succeeded(run: Run, last: Frame, frame: Frame, state: ParallelState, children: list[Frame]) -> None:
    run.emit(frame, EventType.PARALLEL_STATE_SUCCEEDED, previous=last.previous)
    leave(run, frame, state, outputs_of(children))


def outputs_of(branches: list[Frame]) -> list[Json]:
    return [(branch.output or EMPTY).value for branch in branches]


def _iteration_succeeded(run: Run, frame: Frame, parent: Frame, state: MapState) -> None:
    freed = frame.previous
    run.emit(frame, EventType.MAP_ITERATION_SUCCEEDED, {"name": state.name, "index": frame.index})
    plan = parent.plan
    if plan is None:
        return
    if plan.started < len(plan.items):
        _start_iteration(run, parent, state, freed)
    elif len(plan.results) == len(plan.items):
        _map_succeeded(run, parent, state)


def _map_succeeded(run: Run, frame: Frame, state: MapState) -> None:
    run.emit(frame, EventType.MAP_STATE_SUCCEEDED)
    leave(run, frame, state, results_of(frame))


def results_of(frame: Frame) -> list[Json]:
    """Returns the results of a Map whose iterations are all through."""
    plan = frame.plan
    return [] if plan is None else [plan.results[index].value for index in range(len(plan.items))]


def leave(run: Run, frame: Frame, state: ParallelState | MapState, result: Any) -> None:
    scope = run.scope(frame)
    scope.result, scope.has_result = result, True
    try:
        left = state.flow.leave(scope, result)
        run.leave(frame, left.output, left.assigned, state.next)
    except StatesError as error:
        evaluation_failed(run, frame, error)
