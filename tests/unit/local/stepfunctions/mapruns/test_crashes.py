"""The engine is killed after each commit of a map run, and another goes on from what is on the disk."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from local.clients import LocalClients
from local.stepfunctions.journal.errors import JournalFull
from tests.unit.local.stepfunctions.executor.world import SECONDS, killed
from tests.unit.local.stepfunctions.mapruns.world import World, no_client, spread, world

_CHOICE = {
    "Type": "Choice",
    "Choices": [{"Variable": "$", "NumericEquals": 2, "Next": "S2"}],
    "Default": "S1",
}
_FAILING = ({**_CHOICE}, {"Type": "Succeed"}, {"Type": "Fail", "Error": "E"})


def at_each_commit(folder: Path, definition: dict[str, Any], value: Any, client: Any) -> tuple[str, list[Path]]:
    """(the execution, the disk after each commit)."""
    copies: list[Path] = []
    (folder / "before").mkdir()
    with world(folder / "before", client) as at:
        commit = at.journal.commit

        def copying() -> None:
            commit()
            copies.append(killed(folder / "before", folder / f"after-{len(copies)}"))

        at.journal.commit = copying  # type: ignore[method-assign]
        arn = at.begin(definition, value)
        at.over(arn)
        at.settle()
    return arn, copies


def ended(at: World, arn: str) -> tuple[str, str | None, str | None, list[str]]:
    over = at.over(arn)
    at.settle()
    assert at.map_run(arn).status != "RUNNING"
    return over.row.status, over.output, over.error, at.statuses(arn)


def check(
    folder: Path, definition: dict[str, Any], value: Any, client: Callable[[str], Any], expected: tuple[Any, ...]
) -> None:
    arn, copies = at_each_commit(folder, definition, value, client)
    assert len(copies) > 2
    for copy in copies:
        with world(copy, client) as at:
            if at.executor.reader.execution(arn) is None:
                continue
            assert ended(at, arn) == expected, copy
            assert at.types(arn).count("MapRunStarted") == 1


def test_all_children_run_once(tmp_path: Path) -> None:
    definition = spread({"Type": "Pass"}, {"Type": "Pass"}, MaxConcurrency=2)
    check(tmp_path, definition, [1, 2, 3, 4, 5], no_client, ("SUCCEEDED", "[1,2,3,4,5]", None, ["SUCCEEDED"] * 5))


def test_failures_are_counted_once(tmp_path: Path) -> None:
    definition = spread(*_FAILING, MaxConcurrency=1, ToleratedFailureCount=1)
    expected = (
        "FAILED",
        None,
        "States.ExceedToleratedFailureThreshold",
        ["SUCCEEDED", "FAILED", "SUCCEEDED", "FAILED"],
    )
    check(tmp_path, definition, [1, 2, 3, 2, 4], no_client, expected)


def test_items_from_storage_are_run_once(
    tmp_path: Path, storage: LocalClients, put: Callable[[str, str | bytes], dict[str, Any]]
) -> None:
    where = put("items.json", json.dumps([1, 2, 3]))
    reader = {
        "Resource": "arn:aws:states:::s3:getObject",
        "Parameters": where,
        "ReaderConfig": {"InputType": "JSON"},
    }
    definition = spread({"Type": "Pass"}, ItemReader=reader, ItemBatcher={"MaxItemsPerBatch": 2})
    expected = ("SUCCEEDED", '[{"Items":[1,2]},{"Items":[3]}]', None, ["SUCCEEDED"] * 2)
    check(tmp_path, definition, {}, storage.client, expected)


def test_any_commit_may_fail_once(tmp_path: Path) -> None:
    definition = spread(*_FAILING, MaxConcurrency=2, ToleratedFailureCount=1)
    failed = 0
    for failing in range(12):
        folder = tmp_path / str(failing)
        folder.mkdir()
        with world(folder) as at:
            commit, left = at.journal.commit, [failing]

            def once(commit: Callable[[], None] = commit, left: list[int] = left) -> None:
                left[0] -= 1
                if left[0] == -1:
                    raise JournalFull("full")
                commit()

            at.journal.commit = once  # type: ignore[method-assign]
            try:
                arn = at.begin(definition, [1, 2, 3, 4])
            except JournalFull:
                arn = at.begin(definition, [1, 2, 3, 4])
            while at.executor.reader.execution(arn).status == "RUNNING":  # type: ignore[union-attr]
                with suppress(JournalFull):
                    at.settle()
                at.clock.now += 2
            statuses = at.statuses(arn)
            failed += left[0] < 0
        assert statuses == ["SUCCEEDED", "FAILED", "SUCCEEDED", "SUCCEEDED"], failing
    assert failed > 3


@pytest.mark.parametrize("kind", ["STANDARD", "EXPRESS"])
def test_redrive_goes_on(tmp_path: Path, kind: str) -> None:
    (tmp_path / "first").mkdir()
    definition = spread(*_FAILING, kind=kind, MaxConcurrency=1)
    with world(tmp_path / "first") as at:
        arn = at.begin(definition, [1, 2, 3])
        at.over(arn)
        at.settle()
        left = killed(tmp_path / "first", tmp_path / "left")
    copies: list[Path] = []
    with world(left) as at:
        commit = at.journal.commit

        def copying() -> None:
            commit()
            copies.append(killed(left, tmp_path / f"after-{len(copies)}"))

        at.journal.commit = copying  # type: ignore[method-assign]
        at.executor.redrive_execution(arn).result(SECONDS)
        expected = ended(at, arn)
    assert expected[3] == ["SUCCEEDED", "FAILED"]
    for copy in copies:
        with world(copy) as at:
            assert ended(at, arn) == expected
            run = at.map_run(arn)
            assert run.redrives in (0, 1)
