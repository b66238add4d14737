"""A definition is refused with every reason at once, or it can be run."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.sagemaker.pipelines.definition import parse
from local.sagemaker.wire.errors import ValidationException
from tests.unit.local.sagemaker.pipelines.definitions import (
    condition_step,
    definition,
    fail_step,
    get,
    processing_step,
    step,
)

FAST = {"S3Uri": "s3://b/k", "S3DataType": "S3Prefix", "S3InputMode": "FastFile"}
NAMES = st.lists(st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,8}", fullmatch=True), min_size=1, max_size=8, unique=True)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("not json", "not JSON"),
        ("[]", "no list of Steps"),
        ("{}", "no list of Steps"),
        (definition(), "there are no Steps"),
        (json.dumps({"Version": "1999", "Steps": []}), "Version '1999'"),
        (definition(fail_step("A"), fail_step("A")), "two steps are named A"),
        (definition(step("A", "Dance")), "'Dance' is not known"),
        (definition(fail_step("A", DependsOn=["B"])), "unknown step B"),
        (definition(fail_step("A", get("Steps.B.X"))), "unknown step B"),
        (definition(fail_step("A", get("Parameters.x"))), "unknown parameter x"),
        (definition(fail_step("A", get("Elsewhere.x"))), "no reference"),
        (definition(fail_step("A", DependsOn=["B"]), fail_step("B", DependsOn=["A"])), "in a circle"),
        (definition(condition_step("C", [{"Type": "Similar"}], [], [])), "'Similar' is not known"),
        (definition(condition_step("C", [], [], [])), "needs Conditions"),
        (definition(condition_step("C", [{"Type": "Equals", "LeftValue": 1}], [], [])), "needs RightValue"),
        (definition(step("L", "Lambda")), "needs a FunctionArn"),
        (definition({"Type": "Fail"}), "needs a Name"),
        (definition(fail_step("a b")), "Name must satisfy"),
        (definition(fail_step("A", get("Execution.Owner"))), "unknown execution variable Owner"),
        (definition(step("C", "Callback")), "needs an SqsQueueUrl"),
        (definition({"Name": "P", "Type": "Processing"}), "needs Arguments"),
        (definition(processing_step("P", {"Speed": 9})), "Unknown Argument member 'Speed'."),
        (definition(processing_step("P", {"Environment": []})), "Expecting start of Json Object"),
        (definition(processing_step("P", {"ProcessingInputs": {}})), "Expecting start of Json Array"),
        (definition(step("P", "Processing", {"RoleArn": "r"})), "Missing required member 'AppSpecification'"),
        (
            definition(processing_step("P", {"ProcessingInputs": [{"InputName": "x", "S3Input": FAST}]})),
            r"Value 'FastFile' for 'ProcessingS3InputMode' failed to satisfy enum value set: \[Pipe, File\]",
        ),
        (definition(processing_step("P", CacheConfig={"Enabled": True, "ExpireAfter": "soon"})), "no ISO 8601"),
        (definition(processing_step("P", CacheConfig=True)), "CacheConfig needs Enabled"),
        (definition(fail_step("F", RetryPolicies=[])), "cannot stand in a Fail step"),
        (definition(processing_step("P", RetryPolicies=[{}])), "ExceptionType must be"),
        (definition(processing_step("P", PropertyFiles=[{}])), "a property file needs"),
        (
            definition(processing_step("P"), fail_step("F", get("Steps.P.PropertyFiles.report"))),
            "unknown property file report",
        ),
        (definition(condition_step("C", [{"Type": "And", "Conditions": [{"Type": "?"}]}], [], [])), r"type '\?'"),
        (definition(condition_step("C", [{"Type": "Not"}], [], [])), "needs Condition or Expression"),
        (definition(fail_step("A"), parameters=[{"Name": "x", "Type": "Date"}]), "a Type of"),
        (
            definition(
                fail_step("A"), parameters=[{"Name": "x", "Type": "String", "DefaultValue": "c", "EnumValues": ["a"]}]
            ),
            "is not one of",
        ),
        (
            definition(fail_step("A"), parameters=[{"Name": "x", "Type": "Integer", "DefaultValue": "four"}]),
            "no Integer",
        ),
    ],
)
def test_what_is_wrong_is_named(text: str, problem: str) -> None:
    with pytest.raises(ValidationException, match=problem):
        parse(text)


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(ValidationException) as caught:
        parse(definition(step("A", "Dance"), fail_step("B", DependsOn=["X", "Y"])))
    for problem in ("Dance", "unknown step X", "unknown step Y"):
        assert problem in caught.value.message


def test_a_step_in_a_branch_waits_for_its_condition() -> None:
    inner = condition_step("Inner", [{"Type": "Equals", "LeftValue": 1, "RightValue": 1}], [fail_step("Deep")], [])
    outer = condition_step("Outer", [{"Type": "Equals", "LeftValue": 1, "RightValue": 2}], [], [inner])
    steps = parse(definition(outer)).steps
    assert steps["Inner"].branch == ("Outer", False)
    assert steps["Deep"].branch == ("Inner", True)
    assert steps["Deep"].after == {"Inner"}


@given(NAMES, st.data())
def test_any_acyclic_graph_is_accepted_and_its_edges_are_kept(names: list[str], data: st.DataObject) -> None:
    steps: list[dict[str, Any]] = []
    edges: dict[str, set[str]] = {}
    for index, name in enumerate(names):
        before = data.draw(st.sets(st.sampled_from(names[:index]))) if index else set()
        edges[name] = before
        steps.append(fail_step(name, DependsOn=sorted(before)))
    parsed = parse(definition(*reversed(steps)))
    assert {name: set(one.after) for name, one in parsed.steps.items()} == edges


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_no_json_breaks_the_parser(document: Any) -> None:
    for text in (
        json.dumps(document),
        json.dumps({"Version": "2020-12-01", "Steps": document, "Parameters": document}),
    ):
        try:
            parse(text)
        except ValidationException:
            continue


def test_expressions_may_stand_wherever_a_value_is_wanted() -> None:
    inputs = [{"InputName": get("Parameters.p"), "S3Input": get("Parameters.p")}, get("Parameters.p")]
    text = definition(
        processing_step("P", {"ProcessingInputs": inputs, "Environment": get("Parameters.p")}),
        parameters=[{"Name": "p", "Type": "String"}],
    )
    assert list(parse(text).steps) == ["P"]


def test_the_job_name_of_a_step_may_be_left_to_the_execution() -> None:
    named = processing_step("P", {"ProcessingJobName": "prefix"})
    assert set(parse(definition(named, processing_step("Q"))).steps) == {"P", "Q"}
