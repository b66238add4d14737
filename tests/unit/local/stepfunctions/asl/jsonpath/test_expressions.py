import re
import time
from typing import Any

import pytest

from local.stepfunctions.asl.documents import decode
from local.stepfunctions.asl.errors import StatesError, SyntaxProblem
from local.stepfunctions.asl.jsonpath.expressions import UnknownPath, compile_expression
from local.stepfunctions.asl.scope import Scope
from tests.unit.local.stepfunctions.world import FixedEffects

_DATA: Any = {"name": "Ada", "numbers": [3, 1, 3], "text": '{"a":1}', "b": {"c": [1, None, True]}}


def value_of(text: str) -> Any:
    scope = Scope(_DATA, lambda: {"State": {"Name": "S"}}, {"v": {"x": [7]}}, FixedEffects(), 0.0)
    return compile_expression(text)(_DATA, scope)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$", _DATA),
        ("$$.State.Name", "S"),
        ("$v.x[0]", 7),
        ("States.Format('{} has {}', $.name, $.b)", "Ada has {c=[1, null, true]}"),
        (r"States.Format('\{\} \' \\ {}', 1.5)", r"{} ' \ 1.5"),
        ("States.Array(1, 'a', null, true, States.Array())", [1, "a", None, True, []]),
        ("States.ArrayPartition($.numbers, 2)", [[3, 1], [3]]),
        ("States.ArrayContains($.numbers, 1)", True),
        ("States.ArrayContains($.numbers, 1.0)", False),
        ("States.ArrayRange(1, 9, 4)", [1, 5, 9]),
        ("States.ArrayRange(3, 1, -1)", [3, 2, 1]),
        ("States.ArrayGetItem($.numbers, 1)", 1),
        ("States.ArrayLength($.numbers)", 3),
        ("States.ArrayUnique($.numbers)", [3, 1]),
        ("States.Base64Encode('AWS')", "QVdT"),
        ("States.Base64Decode('QVdT')", "AWS"),
        ("States.Hash('AWS', 'MD5')", "4847e034bb0a55fcbc8a3380d6a3ab80"),
        ("States.StringToJson($.text)", {"a": 1}),
        ("States.JsonToString($.b)", '{"c":[1,null,true]}'),
        ("States.JsonMerge($.b, States.StringToJson($.text), false)", {"c": [1, None, True], "a": 1}),
        ("States.MathAdd(1.5, -0.5)", 2),
        ("States.MathRandom(10, 20)", 15),
        ("States.StringSplit('a,b;;c', ',;')", ["a", "b", "c"]),
        ("States.UUID()", "00000000-0000-4000-8000-000000000000"),
    ],
)
def test_expression_gives(text: str, value: Any) -> None:
    assert value_of(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "States.ArrayGetItem($.numbers, 9)",
        "States.ArrayRange(0, 100000000000000000000, 1)",
        "States.ArrayRange(0, 1, 0)",
        "States.ArrayPartition($.numbers, 0)",
        "States.ArrayLength($.name)",
        "States.Base64Decode('%')",
        "States.Hash('a', 'CRC')",
        "States.JsonMerge($.b, $.b, true)",
        "States.MathAdd('a', 1)",
        "States.MathRandom(2, 1)",
        "States.StringToJson('{')",
        "States.Format('{}')",
        "States.MathAdd(9223372036854775807, 1)",
        "States.MathRandom(1, 1" + "0" * 400 + ")",
        "States.ArrayGetItem($.numbers, 1" + "0" * 400 + ")",
    ],
)
def test_function_that_cannot_answer_fails_with_its_text(text: str) -> None:
    with pytest.raises(StatesError) as raised:
        value_of(text)
    assert raised.value.error == "States.IntrinsicFailure"
    assert f"The function '{text}' had the following error:" in str(raised.value.cause)


@pytest.mark.parametrize(
    "text",
    ["name", "States.Nothing()", "States.UUID(1)", "States.Format(", "States.Format('a'", "States.Array(1) 2",
     "States.Array(1e999)", "States.Array(" + "9" * 5_000 + ")", "States.Array(,)", "States.Format('a{}",
     "States.Format('\\",
     r"States.Format('\n')", "States.Array('a)", "$.a[", "States.Array(truee)"],
)  # fmt: skip
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(SyntaxProblem):
        compile_expression(text)


def test_unknown_path_names_field_and_input() -> None:
    with pytest.raises(UnknownPath) as raised:
        value_of("$.b.none")
    assert re.fullmatch(
        r"The JSONPath '\$\.b\.none' specified for the field 'f\.\$' could not be found in the input '\{.*\}'",
        raised.value.for_field("f.$"),
    )


def test_array_of_as_many_as_an_input_may_have_is_made_unique_at_once() -> None:
    numbers = [*range(36_000), *range(36_000), 1.0, True]
    scope = Scope(numbers, dict, {}, FixedEffects(), 0.0)
    assert compile_expression("States.ArrayUnique($)")(numbers, scope) == [*range(36_000), 1.0, True]


def test_string_is_split_at_as_many_signs_as_an_input_may_have() -> None:
    data = {"t": "ab" * 60_000, "d": "".join(map(chr, range(0x100, 0xD000)))}
    scope = Scope(data, dict, {}, FixedEffects(), 0.0)
    began = time.thread_time()
    assert compile_expression("States.StringSplit($.t, $.d)")(data, scope) == [data["t"]]
    assert time.thread_time() - began < 0.5


def test_path_that_leads_to_too_many_places_fails_the_state() -> None:
    data = decode("[" * 140 + "1" + "]" * 140)
    with pytest.raises(StatesError, match=r"States\.Runtime"):
        compile_expression("$..*..*..*..*")(data, Scope(data, dict, {}, FixedEffects(), 0.0))
