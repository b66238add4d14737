"""The distributed Maps whose answers AWS recorded, on the executor, with items and results in a real S3."""

import json
from pathlib import Path
from typing import Any

import pytest

from local.clients import LocalClients
from local.stepfunctions.executor.new_execution import NewExecution
from tests.conformance.comparison import ends_match, events_match
from tests.conformance.test_pure import _PACK, Case, filled, pack
from tests.unit.local.stepfunctions.executor.world import SECONDS
from tests.unit.local.stepfunctions.mapruns.world import world

# What they share is made once: one worker runs them all.
pytestmark = pytest.mark.xdist_group("storage")

_MACHINE = "arn:aws:states:us-east-1:111111111111:stateMachine:m"


def recorded() -> list[Case]:
    if not _PACK.exists():
        return []
    return [
        case
        for case in pack()
        if case["kind"] == "execution" and case["needs"] in ([], ["s3"]) and "DISTRIBUTED" in str(case["definition"])
    ]


@pytest.mark.parametrize("case", recorded(), ids=lambda case: case["id"].rpartition("::")[2])
def test_distributed_map_ends_as_on_aws(tmp_path: Path, storage: LocalClients, case: Case) -> None:
    for step in case["setup"]:
        client = storage.client(step["client"])
        if step["method"] == "create_bucket":
            emptied(client, given(step["args"])["Bucket"])
        getattr(client, step["method"])(**given(step["args"]))
    definition = case["definition"]
    text = definition if isinstance(definition, str) else json.dumps(definition)
    with world(tmp_path, storage.client) as at:
        new = NewExecution(_MACHINE, filled(text), "role", filled(case["input"] or "{}"))
        arn = at.executor.start_execution(new).result(SECONDS).arn
        over = at.over(arn)
        told = {"status": over.row.status, "output": over.output, "error": over.error, "cause": over.cause}
        actual = {name: value for name, value in told.items() if value is not None}
        assert ends_match(case["expected"], actual, set(case["placeholders"])) == (True, True), actual
        assert events_match(case["events"], at.types(arn), unordered=False), at.types(arn)


def given(arguments: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(filled(json.dumps(arguments)))
    return found


def emptied(client: Any, bucket: str) -> None:
    """What an earlier case left under the same name."""
    if bucket in (one["Name"] for one in client.list_buckets()["Buckets"]):
        for one in client.list_objects_v2(Bucket=bucket).get("Contents", ()):
            client.delete_object(Bucket=bucket, Key=one["Key"])
        client.delete_bucket(Bucket=bucket)
