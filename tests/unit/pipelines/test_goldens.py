"""Golden files: a changed definition is a readable diff."""

from dataclasses import replace
from pathlib import Path

from pipelines.goldens import check_goldens, write_goldens
from pipelines.product import CompiledPipeline

PIPELINE = CompiledPipeline("own", "headrace-dev-own", '{"Version":"1","Steps":[]}', (), "{}", (), None, None)


def test_written_goldens_agree(tmp_path: Path) -> None:
    assert [place.name for place in write_goldens(tmp_path, [PIPELINE])] == ["own.json"]
    assert write_goldens(tmp_path, [PIPELINE]) == ()
    assert check_goldens(tmp_path, [PIPELINE]) == ()


def test_a_chain_has_no_definition_and_no_file(tmp_path: Path) -> None:
    chain = replace(PIPELINE, name="chain", pipeline_name=None, definition=None)
    assert [place.name for place in write_goldens(tmp_path, [PIPELINE, chain])] == ["own.json"]
    assert check_goldens(tmp_path, [PIPELINE, chain]) == ()
    assert check_goldens(tmp_path, [replace(PIPELINE, definition=None)]) == (
        "own.json: expected an algorithm of this name, found none",
    )


def test_a_changed_definition_is_a_diff(tmp_path: Path) -> None:
    write_goldens(tmp_path, [PIPELINE])
    (diff,) = check_goldens(tmp_path, [replace(PIPELINE, definition='{"Version":"2","Steps":[]}')])
    assert '-  "Version": "1",\n+  "Version": "2",' in diff


def test_the_file_of_an_algorithm_that_is_gone_is_told_and_removed(tmp_path: Path) -> None:
    write_goldens(tmp_path, [PIPELINE])
    assert check_goldens(tmp_path, []) == ("own.json: expected an algorithm of this name, found none",)
    write_goldens(tmp_path, [])
    assert list(tmp_path.iterdir()) == []
