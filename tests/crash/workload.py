"""Executions that pass through everything an execution can wait for, and whose ends do not depend on who is first.

What a task's worker and the client do is said in the task's own arguments, so that whoever comes after a kill does the
same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ACCOUNT = "000000000000"
INVOKE = "arn:aws:states:::lambda:invoke"
FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f"
ACTIVITY = f"arn:aws:states:us-east-1:{ACCOUNT}:activity:a"
TOKEN = "arn:aws:states:::lambda:invoke.waitForTaskToken"
SYNC = "arn:aws:states:::states:startExecution.sync:2"

Definition = Mapping[str, Any]
_PASS: Definition = {"Type": "Pass"}


@dataclass(frozen=True, slots=True)
class Job:
    """One execution, and what its client does with it."""

    name: str
    definition: Definition
    status: str = "SUCCEEDED"
    express: bool = False
    stopped_after: float | None = None
    redriven: bool = False
    """Once, when it has failed."""


def flow(states: Mapping[str, Definition], **more: Any) -> dict[str, Any]:
    """The states one after the other, except those that say where they lead."""
    names = list(states)
    chained: dict[str, Any] = {}
    for name, following in zip(names, [*names[1:], None], strict=True):
        state = states[name]
        leads = state["Type"] in ("Choice", "Fail", "Succeed") or "Next" in state or "End" in state
        chained[name] = {**state, **({} if leads else {"End": True} if following is None else {"Next": following})}
    return {"StartAt": names[0], "States": chained, **more}


def wait(seconds: float, **fields: Any) -> Definition:
    return {"Type": "Wait", "Seconds": seconds, **fields}


def task(do: str, resource: str = INVOKE, says: Mapping[str, Any] | None = None, **fields: Any) -> Definition:
    """`do` is what the worker does: answer, fail, hang or beat; `says` how."""
    told = {"do": do, "retries.$": "$$.State.RetryCount", "redrives.$": "$$.Execution.RedriveCount", **(says or {})}
    if resource == TOKEN:
        told["token.$"] = "$$.Task.Token"
    if resource in (INVOKE, TOKEN):
        given: Mapping[str, Any] = {"FunctionName": "f", "Payload": told}
    elif resource == SYNC:
        given = {"StateMachineArn": "m", "Input": told}
    else:
        given = told
    return {"Type": "Task", "Resource": resource, "Parameters": given, **fields}


def each(items: str, states: Mapping[str, Definition], **fields: Any) -> Definition:
    return {"Type": "Map", "ItemsPath": items, "ItemProcessor": flow(states), **fields}


def spread(states: Mapping[str, Definition], kind: str = "STANDARD", **fields: Any) -> Definition:
    """A distributed Map."""
    processor = flow(states, ProcessorConfig={"Mode": "DISTRIBUTED", "ExecutionType": kind})
    return {"Type": "Map", "ItemProcessor": processor, "Label": "each", **fields}


def branches(*flows: Mapping[str, Definition], **fields: Any) -> Definition:
    return {"Type": "Parallel", "Branches": [flow(states) for states in flows], **fields}


def _retry(*names: str, **fields: Any) -> list[dict[str, Any]]:
    return [{"ErrorEquals": list(names), "IntervalSeconds": 1, "BackoffRate": 2, **fields}]


def _catch(target: str, *names: str) -> list[dict[str, Any]]:
    return [{"ErrorEquals": list(names) or ["States.ALL"], "ResultPath": "$.caught", "Next": target}]


_ITEMS: Definition = {"Type": "Pass", "Result": {"items": [1, 2, 3, 4, 5]}}
_COUNTED: Definition = {
    "QueryLanguage": "JSONata",
    "StartAt": "Begin",
    "States": {
        "Begin": {"Type": "Pass", "Assign": {"n": 0, "seen": []}, "Next": "More"},
        "More": {"Type": "Choice", "Choices": [{"Condition": "{% $n < 3 %}", "Next": "Rest"}], "Default": "Done"},
        "Rest": {"Type": "Wait", "Seconds": "{% $n + 1 %}", "Next": "Ask"},
        "Ask": {
            "Type": "Task",
            "Resource": INVOKE,
            "Arguments": {"FunctionName": "f", "Payload": {"do": "answer", "value": "{% $n * 10 %}"}},
            "Assign": {"n": "{% $n + 1 %}", "seen": "{% $append($seen, [$states.result]) %}"},
            "Next": "More",
        },
        "Done": {"Type": "Succeed", "Output": "{% {'n': $n, 'seen': $seen} %}"},
    },
}

OBJECT = b"a,b\n" + b"".join(b"%d,x\n" % number for number in range(7))
"""What the item reader finds in S3."""

JOBS = [
    Job("waits", flow({"A": wait(3), "B": _PASS, "C": wait(7), "D": {"Type": "Succeed"}})),
    Job("retries", flow({"A": task("fail", says={"times": 3}, Retry=_retry("E", MaxDelaySeconds=3))})),
    Job("caught", flow({"A": task("fail", says={"times": 9}, Catch=_catch("B", "E"), End=True), "B": wait(2)})),
    Job("failed", flow({"A": wait(1), "B": {"Type": "Fail", "Error": "Bad", "Cause": "it is"}}), "FAILED"),
    Job("counted", _COUNTED),
    Job(
        "mapped",
        flow({"A": _ITEMS, "B": each("$.items", {"C": task("answer", says={"after": 1.25}), "D": wait(1)},
                                     MaxConcurrency=2)}),
    ),
    Job(
        "nested",
        flow({
            "A": _ITEMS,
            "B": branches(
                {"C": each("$.items", {"D": wait(2), "E": task("fail", FUNCTION, {"times": 1}, Retry=_retry("E"))},
                           MaxConcurrency=3)},
                {"F": task("answer", ACTIVITY, {"after": 3.5}), "G": branches({"H": wait(4)}, {"I": _PASS})},
                {"J": task("answer", SYNC, {"after": 2.25})},
            ),
        }),
    ),
    Job(
        "parallel retried",
        flow({
            "A": branches({"B": task("fail", says={"times": 9})}, {"C": wait(500)}, {"D": task("hang")},
                          Retry=_retry("E", MaxAttempts=1), Catch=_catch("Z")),
            "Z": _PASS,
        }),
    ),
    Job(
        "redriven map",
        flow({"A": _ITEMS, "B": each("$.items", {"C": wait(1), "D": task("fail", says={"until": 1})})}),
        redriven=True,
    ),
    Job(
        "redriven branch",
        flow({"A": branches({"B": wait(1), "C": task("fail", says={"until": 1})}, {"D": _PASS, "E": wait(400)})}),
        redriven=True,
    ),
    Job(
        "tokens",
        flow({"A": branches({"B": task("answer", TOKEN, {"after": 4.5})}, {"C": task("answer", TOKEN, {"after": 2.5})},
                            {"D": task("fail", TOKEN, {"after": 3.5, "times": 9}, Catch=_catch("E")), "E": _PASS})}),
    ),
    Job("beaten", flow({"A": task("beat", TOKEN, {"times": 3}, HeartbeatSeconds=5)})),
    Job(
        "heart stopped",
        flow({"A": task("hang", TOKEN, HeartbeatSeconds=6, Catch=_catch("B", "States.HeartbeatTimeout")), "B": _PASS}),
    ),
    Job(
        "timed out",
        flow({"A": task("hang", TimeoutSeconds=4, Retry=_retry("States.Timeout", MaxAttempts=1), Catch=_catch("B")),
              "B": _PASS}),
    ),
    Job("too long", flow({"A": task("hang")}, TimeoutSeconds=9), "TIMED_OUT"),
    Job("stopped", flow({"A": branches({"B": wait(1_000_000)}, {"C": task("hang")})}), "ABORTED", stopped_after=6.5),
    Job(
        "spread",
        flow({"A": _ITEMS, "B": spread({"C": wait(2), "D": task("answer", says={"after": 1.25})}, ItemsPath="$.items",
                                       MaxConcurrency=2)}),
    ),
    Job(
        "spread and read",
        flow({"A": spread({"B": task("fail", says={"times": 1}, Retry=_retry("E"))}, "EXPRESS", MaxConcurrency=2,
                          ItemReader={"Resource": "arn:aws:states:::s3:getObject",
                                      "Parameters": {"Bucket": "b", "Key": "k"},
                                      "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}},
                          ItemBatcher={"MaxItemsPerBatch": 2})}),
    ),
    Job(
        "spread and redriven",
        flow({"A": _ITEMS, "B": spread({"C": task("fail", says={"until": 1, "after": 1.5})}, ItemsPath="$.items")}),
        redriven=True,
    ),
    Job(
        "spread and stopped",
        flow({"A": _ITEMS, "B": spread({"C": wait(1), "D": task("hang")}, ItemsPath="$.items")}),
        "ABORTED",
        stopped_after=5.5,
    ),
    Job("express", flow({"A": wait(3), "B": task("answer", says={"after": 1.5})}), express=True),
    Job("express at once", flow({"A": _PASS, "B": task("answer")}), express=True),
]  # fmt: skip
