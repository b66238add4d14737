"""What decides about steps without running them: which may start, which are tried again, which need not run."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.sagemaker.pipelines import caching, durations, retries, selection
from local.sagemaker.pipelines.definition import Definition, Step, parse
from local.sagemaker.pipelines.progress import Progress, StepStatus, ready
from local.sagemaker.pipelines.retries import Failure
from local.sagemaker.wire.errors import ValidationException
from tests.unit.local.sagemaker.pipelines.definitions import (
    condition_step,
    definition,
    fail_step,
    get,
    lambda_step,
    processing_step,
)

TRUE = [{"Type": "Equals", "LeftValue": 1, "RightValue": 1}]


@st.composite
def graphs(draw: st.DrawFn) -> Definition:
    """Any acyclic graph of Lambda steps, in any order."""
    names = [f"S{number}" for number in range(draw(st.integers(1, 8)))]
    steps = [
        lambda_step(name, {}, DependsOn=sorted(draw(st.sets(st.sampled_from(names[:index])))) if index else [])
        for index, name in enumerate(names)
    ]
    return parse(definition(*draw(st.permutations(steps))))


@given(graphs(), st.data())
def test_whatever_ends_first_every_step_starts_once_and_after_those_it_depends_on(
    graph: Definition, data: st.DataObject
) -> None:
    progress = Progress()
    started: list[str] = []
    while True:
        for step in ready(graph, progress):
            assert all(progress.ended[name] is StepStatus.SUCCEEDED for name in step.after)
            progress.running.add(step.name)
            started.append(step.name)
        if not progress.running:
            break
        ending = data.draw(st.sampled_from(sorted(progress.running)))
        progress.end(graph.steps[ending], StepStatus.SUCCEEDED, {})
    assert sorted(started) == sorted(graph.steps)


@given(graphs(), st.data())
def test_a_failed_step_takes_with_it_exactly_what_comes_after_it(graph: Definition, data: st.DataObject) -> None:
    failing = data.draw(st.sampled_from(sorted(graph.steps)))
    progress = Progress()
    while steps := ready(graph, progress):
        for step in steps:
            failed = step.name == failing
            progress.end(step, StepStatus.FAILED if failed else StepStatus.SUCCEEDED, {})
    assert progress.failed
    assert set(graph.steps) - set(progress.ended) == {
        name for name, step in graph.steps.items() if failing in _ancestors(graph, step)
    }


def _ancestors(graph: Definition, step: Step) -> set[str]:
    return set(step.after).union(*(_ancestors(graph, graph.steps[name]) for name in step.after))


@given(st.booleans())
def test_the_steps_of_one_branch_run(outcome: bool) -> None:
    graph = parse(definition(condition_step("C", TRUE, [lambda_step("Yes", {})], [lambda_step("No", {})])))
    progress = Progress()
    progress.end(graph.steps["C"], StepStatus.SUCCEEDED, {"Outcome": str(outcome)})
    assert [step.name for step in ready(graph, progress)] == ["Yes" if outcome else "No"]


def test_a_fail_step_lets_nothing_more_start() -> None:
    graph = parse(definition(fail_step("F"), lambda_step("A", {}), lambda_step("B", {}, DependsOn=["A"])))
    progress = Progress(running={"A"})
    progress.end(graph.steps["F"], StepStatus.FAILED, None)
    progress.end(graph.steps["A"], StepStatus.SUCCEEDED, {})
    assert ready(graph, progress) == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("P30D", 30 * 86_400), ("30d", 30 * 86_400), ("T16m", 960), ("PT1H", 3600), ("30dT5h", 30 * 86_400 + 18_000),
        ("P1Y2M3W4DT5H6M7S", (365 + 60 + 21 + 4) * 86_400 + 5 * 3600 + 360 + 7), ("5y", 5 * 365 * 86_400),
    ],
)  # fmt: skip
def test_durations_are_those_of_aws(text: str, seconds: int) -> None:
    assert durations.seconds(text) == seconds


@given(st.sampled_from(["", "P", "PT", "T", "soon", "-P1D", "P1.5D", "1", "D", "P1D2"]))
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no ISO 8601 duration"):
        durations.seconds(text)


def policy(*kinds: Failure, **more: Any) -> dict[str, Any]:
    return {"ExceptionType": [kind.value for kind in kinds], **more}


@given(st.integers(1, 20), st.floats(0, 5), st.integers(0, 100))
def test_pauses_grow_by_the_rate_and_end_with_the_attempts(attempts: int, rate: float, interval: int) -> None:
    given_policy = policy(Failure.THROTTLING, IntervalSeconds=interval, BackoffRate=rate, MaxAttempts=attempts)
    pauses = [retries.pause([given_policy], Failure.THROTTLING, one, 0) for one in range(1, attempts + 2)]
    assert pauses == [*(min(interval * rate**n, 43_200) for n in range(attempts)), None]
    assert retries.pause([given_policy], Failure.SERVICE_FAULT, 1, 0) is None
    assert retries.pause([given_policy], None, 1, 0) is None


def test_a_policy_that_expires_tries_until_then() -> None:
    given_policy = policy(Failure.CAPACITY_ERROR, IntervalSeconds=10, BackoffRate=1, ExpireAfterMin=1)
    assert retries.pause([given_policy], Failure.CAPACITY_ERROR, 99, 45) == 10
    assert retries.pause([given_policy], Failure.CAPACITY_ERROR, 99, 55) is None


@pytest.mark.parametrize(
    ("policies", "problem"),
    [
        ({}, "no list"),
        ([{}], "ExceptionType must be"),
        ([policy(Failure.THROTTLING), policy(Failure.THROTTLING)], "more than one policy"),
        ([policy(Failure.THROTTLING, MaxAttempts=21)], "MaxAttempts must be from 1 to 20"),
        ([policy(Failure.THROTTLING, IntervalSeconds="1")], "IntervalSeconds must be"),
        ([policy(Failure.THROTTLING, MaxAttempts=1, ExpireAfterMin=1)], "one of MaxAttempts and ExpireAfterMin"),
    ],
)
def test_policies_that_cannot_be_kept_are_named(policies: Any, problem: str) -> None:
    assert any(problem in one for one in retries.problems(policies))


def test_failures_are_told_apart() -> None:
    assert retries.of_reason("InternalServerError: the cloud stopped") is Failure.JOB_INTERNAL_ERROR
    assert retries.of_reason("ClientError: CapacityError: none left") is Failure.CAPACITY_ERROR
    assert retries.of_reason("AlgorithmError: no column") is None
    assert retries.of_code("ResourceLimitExceeded") is Failure.RESOURCE_LIMIT
    assert retries.of_code("ValidationException") is None


def test_the_cache_key_of_a_job_is_of_what_it_reads_and_not_of_where_it_writes() -> None:
    step = parse(definition(processing_step("P"))).steps["P"]
    base = {"AppSpecification": {"ImageUri": "i"}, "Environment": {"A": "1"}, "ProcessingInputs": [{"InputName": "x"}]}
    key = caching.key(step, base, {})
    assert caching.key(step, {**base, "ProcessingOutputConfig": {"Outputs": []}, "RoleArn": "r"}, {}) == key
    assert caching.key(step, {**base, "Environment": {"A": "2"}}, {}) != key

    # So it is the location of an input that has to tell content apart, as functions/uploads/inputs.py makes it do.
    def reading(uri: str) -> dict[str, Any]:
        return {**base, "ProcessingInputs": [{"InputName": "data", "S3Input": {"S3Uri": uri}}]}

    read, changed = reading("s3://artifacts/inputs/0a1b/iris.csv"), reading("s3://artifacts/inputs/0c1d/iris.csv")
    assert caching.key(step, read, {}) == caching.key(step, {**read, "RoleArn": "r"}, {}) != key
    assert caching.key(step, changed, {}) != caching.key(step, read, {})
    function = parse(definition(lambda_step("L", {}))).steps["L"]
    assert caching.key(function, {"a": 1}, {"FunctionArn": "f"}) != caching.key(
        function, {"a": 1}, {"FunctionArn": "g"}
    )


def chain() -> Definition:
    return parse(
        definition(
            lambda_step("A", {}, "x"),
            lambda_step("B", {"x": get("Steps.A.OutputParameters['x']")}),
            lambda_step("C", {}, DependsOn=["B"]),
        )
    )


def test_a_selection_needs_what_it_depends_on_directly() -> None:
    assert selection.needed(chain(), ["C"]) == {"B"}
    assert selection.needed(chain(), ["A", "B", "C"]) == frozenset()
    with pytest.raises(ValidationException, match=r"no steps \[D\]"):
        selection.needed(chain(), ["D"])
    with pytest.raises(ValidationException, match=r"the steps \[B\] stand between"):
        selection.needed(chain(), ["A", "C"])


def test_without_a_source_a_selection_that_needs_one_is_refused_in_the_words_of_aws() -> None:
    with pytest.raises(ValidationException) as caught:
        selection.reused(["C"], {"B"}, None)
    assert caught.value.message == (
        "Invalid SourcePipelineExecutionArn: null. The selected steps [C] have dependencies on [B]"
    )
    with pytest.raises(ValidationException, match="did not succeed"):
        selection.reused(["C"], {"B"}, {"B": {"StepStatus": "Failed"}})
