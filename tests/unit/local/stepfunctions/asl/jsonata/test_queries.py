import time
from typing import Any

import pytest

from local.stepfunctions.asl.errors import QueryEvaluationError, SyntaxProblem
from local.stepfunctions.asl.jsonata.queries import Query
from local.stepfunctions.asl.scope import Scope
from tests.unit.local.stepfunctions.world import FixedEffects

_INPUT: Any = {"a": 1, "none": None, "list": [1, None, 2], "empty": [], "nested": {"x": None}}


def value_of(text: str) -> Any:
    scope = Scope(_INPUT, lambda: {"State": {"Name": "S"}}, {"v": None, "w": [1, 2]}, FixedEffects(), 1.5)
    return Query(f"{{% {text} %}}", "Output").evaluate(scope, scope.states())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$states.input.a + 1", 2),
        ("$states.input.none", None),
        ("$states.input.list", [1, None, 2]),
        ("$states.input.list.{'x': $}", [{"x": 1}, {"x": None}, {"x": 2}]),
        ("$states.input.nested", {"x": None}),
        ("$states.input", _INPUT),
        ("$states.context.State.Name", "S"),
        ("$v", None),
        ("$sum($w)", 3),
        ("[]", []),
        ("$partition([1..5], 2)", [[1, 2], [3, 4], [5]]),
        ("$range(0, 6, 3)", [0, 3, 6]),
        ("$hash('AWS', 'MD5')", "4847e034bb0a55fcbc8a3380d6a3ab80"),
        ("$parse('{\"a\": [null]}')", {"a": [None]}),
        ("$random()", 0.5),
        ("$random(1) = $random(1)", True),
        ("$uuid()", "00000000-0000-4000-8000-000000000000"),
        ("$now()", "1970-01-01T00:00:01.500Z"),
        ("$millis()", 1500),
    ],
)
def test_query_gives(text: str, value: Any) -> None:
    assert value_of(text) == value


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("$missing", "returned nothing (undefined)."),
        ("$states.input.missing", "returned nothing (undefined)."),
        ("$nosuch(1)", "threw an error during evaluation. T1006: Attempted to invoke a non-function"),
        ("$eval('1')", "threw an error during evaluation. T1006: Attempted to invoke a non-function"),
        ("1 / 0", "threw an error during evaluation. D1001: Number out of range: Infinity"),
        ("function($x){$x}", "returned an unsupported result type."),
        ("{'f': $sum}", "returned an unsupported result type."),
        ("/a/", "returned an unsupported result type."),
        ("$parse('{')", "threw an error during evaluation."),
        ("$partition([1], 0)", "threw an error during evaluation."),
        ("($f := function($x){1 + $f($x)}; $f(1))", "threw an error during evaluation."),
    ],
)
def test_failure_names_expression_and_field(text: str, says: str) -> None:
    with pytest.raises(QueryEvaluationError) as raised:
        value_of(text)
    assert str(raised.value.cause).startswith(
        f"The JSONata expression '{text}' specified for the field 'Output' {says}"
    )
    assert raised.value.location == "Output"


def test_endless_expression_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.stepfunctions.asl.jsonata.meters.MAX_STEPS", 10_000)
    with pytest.raises(QueryEvaluationError):
        value_of("($f := function($x){$f($x)}; $f(1))")


def test_input_is_not_changed_by_what_is_made_of_it() -> None:
    before = {"a": [None, {"b": None}]}
    scope = Scope(before, dict, {}, FixedEffects(), 0.0)
    Query("{% $merge([$states.input, {'c': null}]) %}", "Output").evaluate(scope, scope.states())
    assert before == {"a": [None, {"b": None}]}


@pytest.mark.parametrize("text", ["{% $sum( %}", "{% %}", "{% 'a %}"])
def test_what_is_no_jsonata_is_refused(text: str) -> None:
    with pytest.raises(SyntaxProblem):
        Query(text, "Output")


_LARGE: Any = {"n": list(range(36_000)), "s": "a" * 250_000, "h": 10**400}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("$match('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!', /(a|aa)+$/)", "takes more than 0.5 s"),
        ("true and $contains($states.input.s, /(x+x+)+y|(a|a)*b/)", "takes more than 0.5 s"),
        ("/(a|aa)+$/('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!')", "takes more than 0.5 s"),
        ("$toMillis('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!', '(a|aa)+$')", "takes more than 0.5 s"),
        ("[1..10000000]", "a value larger than"),
        ("$count([1..10000000])", "a value larger than"),
        ("($f := function($x){$f($x + 1)}; $f(1))", "takes more than"),
        ("($f := function($n){$n < 2 ? $n : $f($n-1) + $f($n-2)}; $f(40))", "takes more than"),
        ("$pad('x', 1000000000)", "a value larger than"),
        ("[1..100000].$pad('x', 1000000)", "values of more than"),
        ("($f := function($s,$n){$n = 0 ? $s : $f($s & $s, $n - 1)}; $f('ab', 60))", "a value larger than"),
        ("($f := function($s,$n){$n = 0 ? $s : $f([$s, $s], $n - 1)}; $f('ab', 60))", "a value larger than"),
        ("($f := function($s,$n){$n = 0 ? $s : $f({'a':$s, 'b':$s}, $n - 1)}; $f(1, 60))", "a value larger than"),
        ("($f := function($s,$n){$n = 0 ? $s : $f({'a': $s}, $n - 1)}; $f(1, 200))", "more than 150 levels"),
        ("$join($map([1..5], function($i){$states.input.s}), 'x')", "a value larger than"),
        ("$replace($states.input.s, 'a', $states.input.s)", "a value larger than"),
        ("$replace($states.input.s, /a/, $states.input.s)", "values of more than"),
        ("$match($states.input.s, /((((((((((.*))))))))))/)", "a value larger than"),
        ("$states.input.n.($states.input.n)", "values of more than"),
        ("$states.input.n@$a.$states.input.n@$b.{'a':$a,'b':$b}", "The expression"),
        ("$reduce($states.input.n, $append)", "The expression"),
        ("$formatNumber(1, $states.input.s)", "at most 1000 characters"),
        ("$formatNumber(1, '#', {'grouping-separator': 'a](a+)+$|[b'})", "must be one character"),
        ("$fromMillis(1, '[Y,1 0 0 0 0 0 0 0 0 0]')", "at most 99 characters"),
        ("$states.input.h + 1", "D1001: Number out of range: Infinity"),
        ("$sum([$states.input.h])", "D1001: Number out of range: Infinity"),
    ],
)
def test_no_expression_takes_long_or_makes_much(text: str, says: str) -> None:
    scope = Scope(_LARGE, dict, {}, FixedEffects(), 0.0)
    began = time.thread_time()
    with pytest.raises(QueryEvaluationError) as raised:
        Query(f"{{% {text} %}}", "Output").evaluate(scope, scope.states())
    assert says in str(raised.value.cause)
    assert time.thread_time() - began < 3.0


@pytest.mark.parametrize("text", ["$distinct($states.input.n)", "$spread($states.input.n.{'a': $})", "[1..36000]"])
def test_as_much_as_an_input_may_have_can_be_worked_on(text: str) -> None:
    scope = Scope(_LARGE, dict, {}, FixedEffects(), 0.0)
    assert len(Query(f"{{% {text} %}}", "Output").evaluate(scope, scope.states())) == 36_000


def test_a_result_larger_than_a_value_may_be_can_still_be_read() -> None:
    scope = Scope({}, dict, {}, FixedEffects(), 0.0)
    scope.result, scope.has_result = [{"t": "x" * 200_000, "n": index} for index in range(50)], True
    assert Query("{% $states.result[40].n %}", "Output").evaluate(scope, scope.states()) == 40
    assert Query("{% $count($states.result) %}", "Output").evaluate(scope, scope.states()) == 50


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$replace('a-b-a', 'a', '$1')", "$1-b-$1"),
        ("$replace('a-b-a', 'a', 'c', 1)", "c-b-a"),
        ("$replace('265USD', /([0-9]+)USD/, '$$$1 [$0]$')", "$265 [265USD]$"),
        ("$replace('abc', /(b)/, '$12 $2 $x')", "ab2  $xc"),
        ("$replace('ab', /./, function($m){$uppercase($m.match) & $m.start}, 1)", "A0b"),
        ("$split('a, b;c', /[,;] */)", ["a", "b", "c"]),
        ("$split('a, b;c', /([,;]) */, 2)", ["a", "b"]),
        ("$match('ab12', /([a-z])([0-9])/)", {"match": "b1", "index": 1, "groups": ["b", "1"]}),
        ("$contains('ABC', /b/i)", True),
        ("$pad('x', -3, '#')", "##x"),
        ("$distinct([1, 1.0, '1', [1], [1], {'a': 1}, {'a': 1}])", [1, "1", [1], {"a": 1}]),
        ("$spread([{'a': 1, 'b': 2}, {'c': 3}])", [{"a": 1}, {"b": 2}, {"c": 3}]),
        ("[{'a': [1, [2]]}, 3].*", [1, 2]),
        ("$string({'a': [1]}, true)", '{\n  "a": [\n    1\n  ]\n}'),
        ("$toMillis('1970-01-02', '[Y]-[M]-[D]')", 86_400_000),
    ],
)
def test_functions_that_are_bounded_do_what_they_did(text: str, value: Any) -> None:
    assert value_of(text) == value
