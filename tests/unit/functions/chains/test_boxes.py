"""What a detector may answer, which boxes become crops and in what order, and what a crop takes in."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.chains import boxes, readings
from functions.chains.boxes import Box, Choice
from functions.jobs.errors import AnswerInvalid


def box(sides: list[float], confidence: float = 0.9, label: str = "plate") -> dict[str, Any]:
    return {"label": label, "confidence": confidence, "box": sides}


def choose(*told: dict[str, Any], width: float = 100, height: float = 50, max_crops: int = 50) -> Choice:
    answer = boxes.parse({"width": width, "height": height, "boxes": list(told)}, "finder")
    return boxes.choose(answer, (100, 50), min_confidence=0.25, max_crops=max_crops)


def labels(choice: Choice) -> list[str]:
    return [one.label for one in choice.chosen]


def test_boxes_come_in_the_order_in_which_a_person_reads() -> None:
    choice = choose(
        box([60, 1, 90, 11], label="b"),
        box([5, 30, 20, 40], label="c"),
        box([5, 3, 30, 13], label="a"),
        box([50, 28, 80, 38], label="d"),
    )
    assert labels(choice) == ["a", "b", "c", "d"]


def test_a_box_around_everything_takes_no_row_with_it() -> None:
    choice = choose(box([0, 0, 100, 50], label="page"), box([50, 5, 60, 10], label="b"), box([5, 6, 20, 11], label="a"))
    assert labels(choice) == ["page", "a", "b"]


def test_the_most_confident_are_kept_and_the_others_counted() -> None:
    choice = choose(
        box([0, 0, 10, 10], 0.5, "a"),
        box([20, 0, 30, 10], 0.9, "b"),
        box([40, 0, 50, 10], 0.7, "c"),
        box([60, 0, 70, 10], 0.1, "unsure"),
        max_crops=2,
    )
    assert (labels(choice), choice.left_out, choice.unsure) == (["b", "c"], 1, 1)


def test_a_box_beyond_the_image_is_clamped_and_one_beside_it_left_out() -> None:
    choice = choose(box([-20, -5, 30, 500]), box([200, 0, 220, 10]), box([10, 10, 10, 40]))
    assert [one.box for one in choice.chosen] == [Box(0, 0, 30, 50)]
    assert choice.outside == 2


def test_boxes_of_a_scaled_image_are_put_back_into_the_whole_one() -> None:
    choice = choose(box([5, 5, 10, 10]), width=50, height=25)
    assert choice.chosen[0].box == Box(10, 10, 20, 20)


def test_a_margin_is_a_part_of_the_box_and_ends_at_the_image() -> None:
    assert boxes.with_margin(Box(20, 10, 40, 20), 0.1, (100, 50)) == (18, 9, 42, 21)
    assert boxes.with_margin(Box(0, 0, 100, 49.5), 0.5, (100, 50)) == (0, 0, 100, 50)
    assert boxes.with_margin(Box(10.4, 10.4, 11.6, 11.6), 0, (100, 50)) == (10, 10, 12, 12)


WRONG: list[tuple[Any, str]] = [
    ([], "the answer: expected an object"),
    ({"width": 9, "boxes": []}, "height: expected a number >= 1, found None"),
    ({"width": 0, "height": 9, "boxes": []}, "width: expected a number >= 1, found 0"),
    ({"width": 9, "height": 9}, "boxes: expected a list"),
    ({"width": 9, "height": 9, "boxes": [3]}, r"boxes\[0\]: expected an object"),
    ({"width": 9, "height": 9, "boxes": [{**box([0, 0, 1, 1]), "label": 3}]}, r"boxes\[0\].label: expected text"),
    ({"width": 9, "height": 9, "boxes": [box([0, 0, 1])]}, r"boxes\[0\].box: expected \[x1, y1, x2, y2\]"),
    ({"width": 9, "height": 9, "boxes": [box([0, 0, float("nan"), 1])]}, r"box\[2\]: expected a number, found nan"),
    ({"width": 9, "height": 9, "boxes": [box([5, 0, 1, 1])]}, "x1 <= x2"),
    ({"width": 9, "height": 9, "boxes": [box([0, 0, 1, 1], 1.5)]}, r"confidence: expected a number >= 0 and <= 1"),
    ({"width": True, "height": 9, "boxes": []}, "width: expected a number"),
]


@pytest.mark.parametrize(("answer", "words"), WRONG)
def test_an_answer_that_is_no_list_of_boxes_names_the_field(answer: Any, words: str) -> None:
    with pytest.raises(AnswerInvalid, match=f"^finder answered .*{words}"):
        boxes.parse(answer, "finder")


LINE = {"text": "AB", "confidence": 0.5, "box": [0, 0, 1, 1]}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([LINE], "no list of lines"),
        ({"lines": {}}, "no list of lines"),
        ({"lines": [LINE, {**LINE, "text": None}]}, r"lines\[1\].text: expected text"),
        ({"lines": [{**LINE, "box": [1, 2, 3]}]}, r"lines\[0\].box: expected"),
        ({"lines": [{**LINE, "box": [[1, 2], [1, 2], [1, 2], 4]}]}, r"lines\[0\].box: expected"),
        ({"lines": [{**LINE, "confidence": "high"}]}, r"lines\[0\].confidence: expected a number"),
    ],
)
def test_an_answer_that_is_no_list_of_lines_names_the_field(answer: Any, words: str) -> None:
    with pytest.raises(AnswerInvalid, match=f"^reader answered .*{words}"):
        readings.parse(answer, "reader")


def test_a_line_may_have_two_corners_or_four() -> None:
    lines = [LINE, {**LINE, "box": [[0, 0], [4, 0], [4, 1], [0, 1]]}]
    assert readings.parse({"lines": lines, "more": 1}, "reader") == lines


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("box"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["label", "box", "confidence"]), inner),
    max_leaves=12,
)


@given(json_values, json_values)
def test_any_answer_is_read_or_refused(one: Any, other: Any) -> None:
    for parse, answer in (
        (boxes.parse, {"width": 9, "height": 9, "boxes": [one, other]}),
        (boxes.parse, one),
        (readings.parse, {"lines": [{"text": "a", "confidence": one, "box": other}]}),
    ):
        with suppress(AnswerInvalid):
            parse(answer, "it")


sides = st.floats(-300, 300)


@given(
    st.lists(st.tuples(st.lists(sides, min_size=4, max_size=4), st.floats(0, 1)), max_size=12),
    st.floats(0, 3),
    st.integers(1, 5),
)
def test_every_crop_lies_within_the_image_and_none_is_lost(
    found: list[tuple[list[float], float]], margin: float, most: int
) -> None:
    told = [box([min(a, c), min(b, d), max(a, c), max(b, d)], sure) for (a, b, c, d), sure in found]
    choice = choose(*told, max_crops=most)
    assert len(choice.chosen) + choice.left_out + choice.outside + choice.unsure == len(told)
    assert len(choice.chosen) <= most
    for one in choice.chosen:
        left, top, right, bottom = boxes.with_margin(one.box, margin, (100, 50))
        assert 0 <= left < right <= 100
        assert 0 <= top < bottom <= 50
