"""Search finds what is stored by the properties that Describe would answer."""

from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from local.sagemaker.resources.search import fits, values
from tests.unit.local.sagemaker.conftest import World
from tests.unit.local.sagemaker.pipelines.definitions import create, definition, ended, fail_step, start


def condition(name: str, operator: str = "Equals", value: str | None = None) -> dict[str, Any]:
    return {"Name": name, "Operator": operator, **({} if value is None else {"Value": value})}


def every(*filters: dict[str, Any]) -> dict[str, Any]:
    return {"Filters": list(filters)}


DOCUMENT = {
    "Name": "trees",
    "Version": 3,
    "Fast": True,
    "CreationTime": 1_700_000_000.0,
    "Deep": {"Lists": [{"A": "x", "B": "1"}, {"A": "y", "B": "2"}]},
    "Tags": [{"Key": "team", "Value": "red"}],
    "FinalMetricDataList": [{"MetricName": "auc", "Value": 0.9}],
}


@pytest.mark.parametrize(
    "holding",
    [
        condition("Name", value="trees"),
        condition("Name", "Contains", "REE"),
        condition("Name", "In", "vines, trees"),
        condition("Name", "NotEquals", "vines"),
        condition("Version", "GreaterThan", "2"),
        condition("Version", "LessThanOrEqualTo", "3"),
        condition("Fast", value="true"),
        condition("CreationTime", "GreaterThanOrEqualTo", "2023-11-14T22:13:20+00:00"),
        condition("Deep.Lists.A", value="y"),
        condition("Deep", "Exists"),
        condition("Shallow", "NotExists"),
        condition("Tags.team", value="red"),
        condition("Metrics.auc", "GreaterThan", "0.8"),
    ],
)
def test_a_filter_holds_for_what_has_the_property(holding: dict[str, Any]) -> None:
    assert fits(DOCUMENT, every(holding))


@pytest.mark.parametrize(
    "failing",
    [
        condition("Name", value="tree"),
        condition("Name", "NotEquals", "trees"),
        condition("Version", "GreaterThan", "many"),
        condition("Shallow", "GreaterThan", "0"),
        condition("Deep", "NotExists"),
        condition("Tags.owner", "Exists"),
    ],
)
def test_a_filter_fails_for_what_has_it_not(failing: dict[str, Any]) -> None:
    assert not fits(DOCUMENT, every(failing))


def test_nested_filters_must_hold_for_one_item() -> None:
    def nested(a: str, b: str) -> dict[str, Any]:
        filters = [condition("Deep.Lists.A", value=a), condition("B", value=b)]
        return {"NestedFilters": [{"NestedPropertyName": "Deep.Lists", "Filters": filters}]}

    assert fits(DOCUMENT, nested("y", "2"))
    assert not fits(DOCUMENT, nested("x", "2"))


@given(st.booleans(), st.booleans())
def test_expressions_are_joined_as_they_say(first: bool, second: bool) -> None:
    filters = [condition("Name", value="trees" if one else "x") for one in (first, second)]
    assert fits(DOCUMENT, {"Filters": filters}) == (first and second)
    assert fits(DOCUMENT, {"Filters": filters, "Operator": "Or"}) == (first or second)
    nested = {"SubExpressions": [every(one) for one in filters], "Operator": "Or"}
    assert fits(DOCUMENT, nested) == (first or second)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.sampled_from("ab"), x)
    )
)
def test_any_path_into_any_document_has_some_values(document: Any) -> None:
    assert isinstance(list(values(document, "a.b.a")), list)


def found(world: World, resource: str, *filters: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    expression = {"SearchExpression": every(*filters)} if filters else {}
    answer = world.client.search(Resource=resource, **expression, **more)
    assert answer["TotalHits"]["Value"] >= len(answer["Results"])
    return [one[resource] for one in answer["Results"]]


def test_resources_of_every_kind_are_found(world: World) -> None:
    for name in ("a", "b"):
        world.client.create_model_package_group(ModelPackageGroupName=name, Tags=[{"Key": "of", "Value": name}])
        world.client.create_model_package(ModelPackageGroupName=name, SourceUri=f"s3://{name}")
    create(world, definition(fail_step("F")))
    arn = start(world)
    ended(world, arn)
    groups = found(world, "ModelPackageGroup", condition("ModelPackageGroupName", value="a"))
    assert [group["ModelPackageGroupName"] for group in groups] == ["a"]
    assert groups[0]["Tags"] == [{"Key": "of", "Value": "a"}]
    packages = found(world, "ModelPackage", condition("SourceUri", "Contains", "s3://b"))
    assert [package["ModelPackageGroupName"] for package in packages] == ["b"]
    executions = found(world, "PipelineExecution", condition("PipelineExecutionStatus", value="Failed"))
    assert [execution["PipelineExecutionArn"] for execution in executions] == [arn]
    assert [one["PipelineName"] for one in found(world, "Pipeline")] == ["p"]
    for none in ("Experiment", "ExperimentTrial", "FeatureGroup", "TrainingJob", "Endpoint"):
        assert world.client.search(Resource=none)["Results"] == []


def test_results_are_sorted_and_paged(world: World) -> None:
    for name in ("b", "c", "a"):
        world.client.create_model_package_group(ModelPackageGroupName=name)
    request = {"Resource": "ModelPackageGroup", "SortBy": "ModelPackageGroupName", "SortOrder": "Ascending"}
    first = world.client.search(**request, MaxResults=2)
    rest = world.client.search(**request, NextToken=first["NextToken"])
    names = [one["ModelPackageGroup"]["ModelPackageGroupName"] for one in first["Results"] + rest["Results"]]
    assert names == ["a", "b", "c"]
    assert first["TotalHits"] == {"Value": 3, "Relation": "EqualTo"}
    newest = world.client.search(Resource="ModelPackageGroup")["Results"]
    assert newest[0]["ModelPackageGroup"]["ModelPackageGroupName"] == "a"


def test_a_filter_without_a_value_is_refused(world: World) -> None:
    world.client.create_model_package_group(ModelPackageGroupName="g")
    with pytest.raises(ClientError, match="needs a Value"):
        found(world, "ModelPackageGroup", condition("ModelPackageGroupName"))


def test_there_is_nothing_to_suggest(world: World) -> None:
    query = {"PropertyNameQuery": {"PropertyNameHint": "Na"}}
    answer = world.client.get_search_suggestions(Resource="TrainingJob", SuggestionQuery=query)
    assert answer["PropertyNameSuggestions"] == []
