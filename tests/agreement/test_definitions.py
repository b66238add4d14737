"""Generated files agree with what they are generated from: ASL, pipeline definitions, the JSON Schema."""

import json
import re
from pathlib import Path

import pytest

from functions.http.algorithm import Algorithm as ToldAlgorithm
from pipelines.catalogue import load_catalogue
from pipelines.compile import compile_algorithms
from pipelines.definition.validation import argument_problems
from pipelines.environment import Environment
from pipelines.goldens import check_goldens
from pipelines.product import CompiledPipeline
from pipelines.spec import json_schema_text
from workflows import render

# What they share is made once: one worker runs them all.
pytestmark = pytest.mark.xdist_group("definitions")

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def compiled(cache: Path) -> tuple[CompiledPipeline, ...]:
    algorithms = load_catalogue(ROOT / "algorithms").checked()
    return compile_algorithms(algorithms, Environment(), cache)


def test_state_machines_are_what_workflows_says() -> None:
    assert render.check(ROOT / "state_machines") == ()


def test_the_schema_for_editors_is_what_the_types_say() -> None:
    assert (ROOT / "pipelines" / "algorithm.schema.json").read_text(encoding="utf-8") == json_schema_text()


def test_every_algorithm_compiles_to_its_golden_definition(compiled: tuple[CompiledPipeline, ...]) -> None:
    assert "\n".join(check_goldens(ROOT / "tests" / "golden" / "pipelines", compiled)) == ""


def test_sagemaker_would_accept_the_arguments_of_every_step(compiled: tuple[CompiledPipeline, ...]) -> None:
    found = {item.name: argument_problems(json.loads(item.definition)) for item in compiled if item.definition}
    assert {name: problems for name, problems in found.items() if problems} == {}
    assert found


def test_steps_have_the_names_that_jobs_show(compiled: tuple[CompiledPipeline, ...]) -> None:
    steps = {item.name: item.steps for item in compiled}
    assert steps["decision_trees"] == ("Process", "Train", "Evaluate", "CheckQuality", "Register", "Deploy")
    assert steps["face_aging"] == ("Register", "Deploy")


def test_the_api_tells_of_an_algorithm_what_is_published(compiled: tuple[CompiledPipeline, ...]) -> None:
    for pipeline in compiled:
        published = json.loads(pipeline.published)
        assert set(published) == set(ToldAlgorithm.model_fields)
        told = ToldAlgorithm.model_validate(published)
        parts = (told.trigger, told.retrain, told.chain, *told.channels.values(), *told.hyperparameters.values())
        assert [part.model_extra for part in parts if part is not None and part.model_extra] == []


def test_a_training_that_prints_metrics_has_them_read(compiled: tuple[CompiledPipeline, ...]) -> None:
    """By the expressions of its own file, from lines as its scripts print them."""
    lines = {
        "decision_trees": "test accuracy=0.9667; test f1_macro=0.9500; test rows=30.0000",
        "gradient_boosting": "test accuracy=0.9667; test f1_macro=0.9500; test rows=30.0000",
        "digits": "test accuracy=0.9700",
        "paddleocr": "test accuracy=0.9000",
        "paddlenlp": "step 10: loss=0.12345 step 10: dev precision=0.5000, dev recall=0.6000, dev f1=0.5500",
    }
    for item in compiled:
        if item.name in lines:
            steps = json.loads(item.definition or "")["Steps"]
            (train,) = (step["Arguments"]["AlgorithmSpecification"] for step in steps if step["Type"] == "Training")
            for metric in train["MetricDefinitions"]:
                assert re.search(metric["Regex"], lines[item.name]), (item.name, metric)
