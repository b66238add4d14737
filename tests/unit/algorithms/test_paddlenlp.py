"""Information extraction: what its scripts do without PaddleNLP, on the sample of orders."""

import json
from pathlib import Path

import pytest

from tests.unit.algorithms.environments import ALGORITHMS
from tests.unit.algorithms.scripts import imported

ORDERS = ALGORITHMS / "paddlenlp" / "samples" / "orders"


def test_the_spans_of_the_sample_are_its_texts() -> None:
    given = [json.loads(line) for line in (ORDERS / "train.txt").read_text().splitlines()]
    with imported("paddlenlp", "examples") as (examples,):
        found = examples.read(ORDERS / "train.txt")
    assert len(found) == 480
    for example, line in zip(found, given, strict=True):
        assert [example.content[begin:end] for begin, end in example.spans] == [
            result["text"] for result in line["result_list"]
        ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "train.txt, line 1: no object with content, prompt and result_list"),
        ('{"content": "a", "prompt": "b"}', "train.txt, line 1: no object with content, prompt and result_list"),
        (
            '{"content": "ab", "prompt": "b", "result_list": [{"start": 1, "end": 3}]}',
            "train.txt, line 1: the span 1 to 3 is not in the content.",
        ),
        ("", "train.txt holds no example."),
    ],
)
def test_a_bad_example_is_refused_with_its_line(tmp_path: Path, line: str, reason: str) -> None:
    (tmp_path / "train.txt").write_text(line)
    with imported("paddlenlp", "examples", "job") as (examples, job), pytest.raises(job.Problem) as problem:
        examples.read(tmp_path / "train.txt")
    assert str(problem.value).startswith(reason)


def test_a_span_ends_before_the_next_begins() -> None:
    offsets = [(0, 3), (4, 6), (7, 9), (10, 12)]
    with imported("paddlenlp", "examples") as (examples,):
        assert examples.spans([0.9, 0.1, 0.8, 0.1], [0.1, 0.6, 0.1, 0.5], offsets) == [(0, 6, pytest.approx(0.54))]


def test_a_span_counts_when_both_its_ends_are_right() -> None:
    with imported("paddlenlp", "examples") as (examples,):
        scores = examples.score([{(0, 2), (3, 5)}, set()], [{(0, 2), (3, 6)}, {(1, 2)}])
    assert scores == {"precision": 0.5, "recall": pytest.approx(1 / 3), "f1": pytest.approx(0.4)}


def test_training_goes_on_without_a_gpu_and_where_opt_ml_is_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    with imported("paddlenlp", "finetune") as (finetune,):
        assert finetune.device("gpu", gpu=False) == "cpu"
        assert finetune.device("gpu", gpu=True) == "gpu"
        assert finetune.place("/opt/ml/input/x.txt") == tmp_path / "input" / "x.txt"
        assert finetune.place("/elsewhere/x.txt") == Path("/elsewhere/x.txt")
    assert "no GPU" in capsys.readouterr().out
