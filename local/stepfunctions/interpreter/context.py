"""The context object: `$$` in JSONPath, `$states.context` in JSONata."""

from typing import Any

from local.documents import Json
from local.stepfunctions.asl import timestamps
from local.stepfunctions.asl.machine.machine import RetryingState, TaskState
from local.stepfunctions.interpreter.execution import Execution, Frame


def context_of(execution: Execution, frame: Frame, token: str | None, item: tuple[int, Any] | None) -> dict[str, Json]:
    """`item` is the index and value of the iteration that is about to start, where one is."""
    identity = execution.identity
    told: dict[str, Json] = {
        "Id": identity.arn,
        "Input": execution.input.value,
        "Name": identity.name,
        "RoleArn": identity.role_arn,
        "StartTime": timestamps.write(execution.started_at),
    }
    if identity.redrives is not None:
        told["RedriveCount"] = execution.redrives
        if execution.redriven_at is not None:
            told["RedriveTime"] = timestamps.write(execution.redriven_at)
    state: dict[str, Json] = {"EnteredTime": timestamps.write(frame.entered_at), "Name": frame.state}
    if isinstance(frame.definition, RetryingState):
        state["RetryCount"] = sum((frame.retries or {}).values())
    context: dict[str, Json] = {
        "Execution": told,
        "StateMachine": {"Id": identity.machine_arn, "Name": identity.machine_name},
        "State": state,
    }
    iteration = item or _item_around(execution, frame)
    if iteration is not None:
        context["Map"] = {"Item": {"Index": iteration[0], "Value": iteration[1]}}
    if token is not None and isinstance(frame.definition, TaskState):
        context["Task"] = {"Token": token}
    return context


def _item_around(execution: Execution, frame: Frame) -> tuple[int, Any] | None:
    """Returns index and value of the innermost iteration that the frame is part of."""
    inner = frame
    while inner.parent is not None:
        outer = execution.frames[inner.parent]
        if outer.plan is not None:
            return inner.index, outer.plan.items[inner.index]
        inner = outer
    return None
