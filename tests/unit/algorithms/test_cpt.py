"""cpt's scripts without its libraries: files of texts, scores, requests and the endpoint's variables."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.algorithms.environments import ALGORITHMS
from tests.unit.algorithms.scripts import older_python, scripts

SOURCE = ALGORITHMS / "cpt" / "source"
SAMPLES = ALGORITHMS / "cpt" / "samples"

job, summaries, inference = scripts(SOURCE, "job", "summaries", "inference")


def read(tmp_path: Path, text: str, kind: str = "json") -> list[tuple[str, str]]:
    file = tmp_path / f"train.{kind}"
    file.write_text(text, "utf-8")
    return [(one.text, one.summary) for one in summaries.read(file, kind, "article", "summarization")]


def test_a_file_has_an_object_a_line_or_one_list_or_columns(tmp_path: Path) -> None:
    row = json.dumps({"article": "A  long\ntext.", "summarization": "Short."})
    expected = [("A long text.", "Short.")]
    assert read(tmp_path, f"{row}\n\n") == expected
    assert read(tmp_path, f"[{row}]") == expected
    assert read(tmp_path, 'summarization,article\nShort.,"A long\ntext."\n', "csv") == expected


@pytest.mark.parametrize(
    ("text", "kind", "reason"),
    [
        ("{", "json", "neither a JSON list nor a JSON object a line"),
        ('["text"]', "json", "row 1: expected an object"),
        ('{"article": "x"}', "json", "row 1: expected text in the column summarization"),
        ("article,other\nx,y\n", "csv", "the columns are article, other"),
    ],
)
def test_a_file_without_the_columns_is_refused(tmp_path: Path, text: str, kind: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read(tmp_path, text, kind)


def test_the_score_is_the_longest_common_subsequence_of_characters() -> None:
    assert summaries.rouge_l("河边公园开放", "河边公园开放") == 1.0
    assert summaries.rouge_l("abcd", "axc") == pytest.approx(4 / 7)
    assert summaries.rouge_l("abc", "") == 0.0
    assert summaries.scores(["ab", "cd"], ["ab", "xy"]) == {"rouge_l": 0.5, "rows": 2.0}


def test_spaces_between_chinese_characters_are_taken_out_and_those_between_words_are_not() -> None:
    assert summaries.plain("河 边 公 园 open air 开 放") == "河边公园open air开放"
    assert summaries.plain("") == ""


def test_requests_are_texts_in_json_or_one_plain_text() -> None:
    assert inference.input_fn(b'{"text": "One\\n two"}', "application/json") == ["One two"]
    assert inference.input_fn("One\ntwo", "text/plain; charset=utf-8") == ["One two"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("{", "application/json"),
        ("{}", "application/json"),
        (" ", "text/plain"),
        ("a" * 20_001, "text/plain"),
        ("a", ""),
    ],
)
def test_a_request_that_is_none_is_the_callers_fault(body: str, kind: str) -> None:
    with pytest.raises(job.Problem):
        inference.input_fn(body, kind)


@pytest.mark.parametrize("wrong", [{"top_p": "0"}, {"output_max_length": "x"}, {"input_max_length": "100000"}])
def test_the_endpoints_variables_are_checked(wrong: dict[str, str]) -> None:
    expected: dict[str, Any] = {"longest_text": 512, "longest_summary": 80, "top_p": 1.0}
    assert inference.settings({}) == expected
    with pytest.raises(job.Problem):
        inference.settings(wrong)


def test_paths_of_sagemaker_are_found_below_another_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "BASE", tmp_path)
    assert job.local("/opt/ml/input/data") == tmp_path / "input" / "data"
    assert str(job.local("fnlp/cpt-large")) == "fnlp/cpt-large"


def test_the_sample_is_read_and_its_characters_are_all_known() -> None:
    known = set((SAMPLES / "pretrained" / "vocab.txt").read_text("utf-8").split("\n"))
    for name in ("train", "validation", "test"):
        for one in summaries.read(SAMPLES / f"{name}.json", "json", "article", "summarization"):
            assert set(one.text + one.summary) <= known


def test_the_scripts_are_python_of_their_image() -> None:
    assert older_python(SOURCE, (3, 8)) == []
