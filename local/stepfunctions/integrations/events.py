"""`events:putEvents`: details may be objects, and one entry that fails is a failure of the task.

Source: the Developer Guide, "Add EventBridge events with Step Functions"; AWS's recorded histories.
"""

from collections.abc import Mapping

from local.documents import Json
from local.stepfunctions.asl.documents import decode, encode
from local.stepfunctions.integrations import dialects
from local.stepfunctions.integrations.call import Call, action
from local.stepfunctions.integrations.task import TaskError

_REQUIRED = ("Source", "DetailType", "Detail")


def put_events(call: Call) -> str:
    requested = call.fields.get("Entries")
    if not isinstance(requested, list) or not all(isinstance(entry, dict) for entry in requested):
        raise call.refused(["The value for the field 'Entries' must be an ARRAY"])
    entries = [_entry(call, entry) for entry in requested]
    refusals = [_refusal(entry) for entry in entries]
    accepted = [entry for entry, refusal in zip(entries, refusals, strict=True) if refusal is None]
    answered = iter(_sent(call, accepted) if accepted else [])
    told = [next(answered) if refusal is None else refusal for refusal in refusals]
    failed = sum("ErrorCode" in outcome for outcome in told)
    output = encode({"Entries": told, "FailedEntryCount": failed})
    if failed:
        raise TaskError("EventBridge.FailedEntry", output)
    return output


def _entry(call: Call, entry: Mapping[str, Json]) -> dict[str, Json]:
    made = {name: value for name, value in entry.items() if value is not None}
    if isinstance(made.get("Detail"), dict | list):
        made["Detail"] = encode(made["Detail"])
    resources = made.get("Resources", [])
    if isinstance(resources, list) and call.execution_arn:
        # Step Functions names itself in every event it puts.
        made["Resources"] = [*resources, call.execution_arn, call.machine_arn]
    return made


def _refusal(entry: Mapping[str, Json]) -> dict[str, str] | None:
    """EventBridge's own, which the local endpoint does not check."""
    for name in _REQUIRED:
        if not entry.get(name):
            message = f"Parameter {name} is not valid. Reason: {name} is a required argument."
            return {"ErrorCode": "InvalidArgument", "ErrorMessage": message}
    try:
        is_object = isinstance(decode(str(entry["Detail"])), dict)
    except ValueError:
        is_object = False
    return None if is_object else {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}


def _sent(call: Call, entries: list[dict[str, Json]]) -> list[dict[str, Json]]:
    put = action(call.client("events"), "putEvents", dialects.OPTIMIZED["events"])
    assert put is not None
    told: list[dict[str, Json]] = put.result(put.perform(call, {**call.fields, "Entries": entries}))["Entries"]
    return told
