"""Map runs that read from and write to S3."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.clients import LocalClients
from local.stepfunctions.mapruns.gathering import PART_ITEMS
from tests.unit.local.stepfunctions.executor.world import killed
from tests.unit.local.stepfunctions.mapruns.world import spread, working, world
from tests.unit.local.stepfunctions.world import task

# What they share is made once: one worker runs them all.
pytestmark = pytest.mark.xdist_group("storage")

Put = Callable[[str, str | bytes], dict[str, Any]]
_CONFIG = {"InputType": "JSON"}


def reader(where: dict[str, Any], **config: Any) -> dict[str, Any]:
    return {"Resource": "arn:aws:states:::s3:getObject", "Parameters": where, "ReaderConfig": _CONFIG | config}


def writer(bucket: str, **config: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "Resource": "arn:aws:states:::s3:putObject",
        "Parameters": {"Bucket": bucket, "Prefix": "results"},
    }
    return given | ({"WriterConfig": config} if config else {})


def document(storage: LocalClients, bucket: str, key: str) -> Any:
    return json.loads(storage.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())


def test_items_from_a_file_are_selected_with_their_index(tmp_path: Path, storage: LocalClients, put: Put) -> None:
    items = list(range(2 * PART_ITEMS + 5))
    chosen = {"i.$": "$$.Map.Item.Index", "v.$": "$$.Map.Item.Value", "k.$": "$.k"}
    definition = spread({"Type": "Pass"}, ItemReader=reader(put("a.json", json.dumps(items))), ItemSelector=chosen)
    with world(tmp_path, storage.client) as at:
        assert at.output(definition, {"k": 1}) == [{"i": item, "v": item, "k": 1} for item in items]


def test_batches_are_filled_across_the_parts_of_a_file(tmp_path: Path, storage: LocalClients, put: Put) -> None:
    items = list(range(2 * PART_ITEMS + 5))
    where = put("a.json", json.dumps(items))
    definition = spread(
        {"Type": "Pass", "Parameters": {"all.$": "$.Items", "n.$": "States.ArrayLength($.Items)"}},
        ItemReader=reader(where),
        ItemBatcher={"MaxItemsPerBatch": 300},
    )
    with world(tmp_path, storage.client) as at:
        batches = at.output(definition, {})
    assert [batch["n"] for batch in batches] == [300] * 6 + [205]
    assert [item for batch in batches for item in batch["all"]] == items


def test_fewer_items_are_read_where_the_state_says_so(tmp_path: Path, storage: LocalClients, put: Put) -> None:
    where = put("a.json", "[1,2,3]")
    given = {key: value for key, value in reader(where).items() if key != "ReaderConfig"}
    definition = spread({"Type": "Pass"}, ItemReader={**given, "ReaderConfig": {**_CONFIG, "MaxItemsPath": "$.most"}})
    with world(tmp_path, storage.client) as at:
        assert at.output(definition, {"most": 2}) == [1, 2]


def test_file_that_is_not_there_fails_the_state_and_a_redrive_reads_it(
    tmp_path: Path, storage: LocalClients, bucket: str, put: Put
) -> None:
    definition = spread({"Type": "Pass"}, ItemReader=reader({"Bucket": bucket, "Key": "late.json"}))
    with world(tmp_path, storage.client) as at:
        arn = at.begin(definition, {})
        over = at.over(arn)
        assert over.error == "States.ItemReaderFailed"
        assert at.types(arn)[-3:] == ["MapRunFailed", "MapStateFailed", "ExecutionFailed"]
        put("late.json", "[7]")
        at.executor.redrive_execution(arn).result(10)
        assert at.over(arn).output == "[7]"


def test_item_that_cannot_be_selected_fails_the_run(tmp_path: Path, storage: LocalClients, put: Put) -> None:
    chosen = {"x.$": "States.ArrayGetItem($$.Map.Item.Value, 0)"}
    definition = spread({"Type": "Pass"}, ItemReader=reader(put("a.json", "[[1],[]]")), ItemSelector=chosen)
    with world(tmp_path, storage.client) as at:
        assert at.failure(definition, {})[0] == "States.IntrinsicFailure"


def test_source_is_not_read_again_after_a_crash(tmp_path: Path, storage: LocalClients, put: Put) -> None:
    definition = working(ItemReader=reader(put("a.json", "[1,2,3]")), MaxConcurrency=1)
    folder = tmp_path / "before"
    folder.mkdir()
    with world(folder, storage.client) as at:
        arn = at.begin(definition, {})
        at.next(1)
        left = killed(folder, tmp_path / "after")
    put("a.json", "[9]")
    with world(left, storage.client) as at:
        for _ in range(3):
            (child,) = at.next(1)
            child.succeeded(json.dumps(child.command.arguments["in"]))
        assert at.over(arn).output == "[1,2,3]"


def test_results_are_written_with_a_manifest(tmp_path: Path, storage: LocalClients, bucket: str) -> None:
    definition = spread(
        task(Parameters={"in.$": "$"}), ResultWriter=writer(bucket), ToleratedFailureCount=1, MaxConcurrency=3
    )
    with world(tmp_path, storage.client) as at:
        arn = at.begin(definition, ["a", "b", "c"])
        for index, child in enumerate(at.next(3)):
            if index:
                child.succeeded(json.dumps(index))
            else:
                child.failed("E", "C")
        told = json.loads(at.over(arn).output or "")
        run = at.map_run(arn)
    folder = f"results/{run.arn.rpartition(':')[2]}"
    assert told == {
        "MapRunArn": run.arn,
        "ResultWriterDetails": {"Bucket": bucket, "Key": f"{folder}/manifest.json"},
    }
    manifest = document(storage, bucket, f"{folder}/manifest.json")
    assert (manifest["DestinationBucket"], manifest["MapRunArn"]) == (bucket, run.arn)
    files = {kind: [one["Key"] for one in of] for kind, of in manifest["ResultFiles"].items()}
    assert files == {
        "FAILED": [f"{folder}/FAILED_0.json"],
        "PENDING": [],
        "SUCCEEDED": [f"{folder}/SUCCEEDED_0.json"],
    }
    first, second = document(storage, bucket, f"{folder}/SUCCEEDED_0.json")
    assert (first["Input"], first["Output"], second["Output"]) == ('"b"', "1", "2")
    assert set(first) == {
        "ExecutionArn", "Input", "InputDetails", "Name", "Output", "OutputDetails", "RedriveCount", "RedriveStatus",
        "RedriveStatusReason", "StartDate", "StateMachineArn", "Status", "StopDate",
    }  # fmt: skip
    (failed,) = document(storage, bucket, f"{folder}/FAILED_0.json")
    assert (failed["Error"], failed["Cause"], failed["RedriveStatus"]) == ("E", "C", "REDRIVABLE")
    assert run.settings.results_written == 3


def test_what_was_not_started_is_written_as_pending(tmp_path: Path, storage: LocalClients, bucket: str) -> None:
    with world(tmp_path, storage.client) as at:
        arn = at.begin(working(ResultWriter=writer(bucket), MaxConcurrency=1), ["a", "b", "c"])
        at.next(1)[0].failed("E", None)
        assert at.over(arn).error == "States.ExceedToleratedFailureThreshold"
        folder = f"results/{at.map_run(arn).arn.rpartition(':')[2]}"
    pending = document(storage, bucket, f"{folder}/PENDING_0.json")
    assert [(one["Input"], one["Status"]) for one in pending] == [('"b"', "PENDING"), ('"c"', "PENDING")]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"Transformation": "COMPACT", "OutputType": "JSON"}, "[[1,2],[3]]"),
        ({"Transformation": "FLATTEN", "OutputType": "JSON"}, "[1,2,3]"),
        ({"Transformation": "FLATTEN", "OutputType": "JSONL"}, "1\n2\n3\n"),
    ],
)
def test_results_are_formatted_as_asked(
    tmp_path: Path, storage: LocalClients, bucket: str, config: dict[str, Any], expected: str
) -> None:
    with world(tmp_path, storage.client) as at:
        told = at.output(spread({"Type": "Pass"}, ResultWriter=writer(bucket, **config)), [[1, 2], [3]])
    folder = told["ResultWriterDetails"]["Key"].removesuffix("/manifest.json")
    body = storage.client("s3").get_object(Bucket=bucket, Key=f"{folder}/SUCCEEDED_0.json")["Body"].read()
    assert body.decode() == expected


def test_format_alone_shapes_what_the_state_puts_out(tmp_path: Path) -> None:
    with world(tmp_path) as at:
        flat = spread({"Type": "Pass"}, ResultWriter={"WriterConfig": {"Transformation": "FLATTEN"}})
        assert at.output(flat, [[1, 2], 3]) == [1, 2, 3]
        whole = spread({"Type": "Pass"}, ResultWriter={"WriterConfig": {"Transformation": "NONE"}})
        assert [child["Output"] for child in at.output(whole, ["a"])] == ['"a"']


def test_bucket_that_is_not_there_fails_before_anything_runs(tmp_path: Path, storage: LocalClients) -> None:
    with world(tmp_path, storage.client) as at:
        arn = at.begin(working(ResultWriter=writer("no-such-bucket")), [1])
        over = at.over(arn)
        assert over.error == "States.ResultWriterFailed"
        assert "NoSuchBucket" in str(over.cause)
        assert at.statuses(arn) == []


def test_no_thread_is_left(tmp_path: Path, storage: LocalClients, put: Put) -> None:
    before = threading.active_count()
    with world(tmp_path, storage.client) as at:
        assert at.output(spread({"Type": "Pass"}, ItemReader=reader(put("a.json", "[1]"))), {}) == [1]
    assert threading.active_count() <= before
