"""Evaluate and CheckQuality: the model's metrics -> go on, or stop with the reason."""

from typing import Any

from sagemaker.workflow.condition_step import ConditionStep
from sagemaker.workflow.conditions import ConditionGreaterThanOrEqualTo, ConditionLessThanOrEqualTo
from sagemaker.workflow.fail_step import FailStep
from sagemaker.workflow.functions import JsonGet
from sagemaker.workflow.properties import PropertyFile
from sagemaker.workflow.step_collections import StepCollection
from sagemaker.workflow.steps import ProcessingStep, Step

from pipelines.definition.steps.context import Context
from pipelines.definition.steps.processing import container_step, output, source
from pipelines.definition.steps.training import channel_uri
from pipelines.spec import Evaluation, Goal

EVALUATION_FILE = PropertyFile(name="evaluation", output_name="evaluation", path="evaluation.json")
"""`{"metrics": {"accuracy": {"value": 0.97}}}`, written by the Evaluate container."""


def evaluate_step(
    context: Context, evaluation: Evaluation, process: ProcessingStep | None, model_data: Any
) -> ProcessingStep:
    """Makes the step `Evaluate`: the trained model, which stands at `model_data`, on the channel `test`."""
    inputs = [
        source("model", model_data, "/opt/ml/processing/model"),
        source("test", channel_uri(context, process, "test"), "/opt/ml/processing/test"),
    ]
    outputs = [output("evaluation", "/opt/ml/processing/evaluation", context.run_uri("evaluation"))]
    script = evaluation.entry_point
    return container_step(context, "Evaluate", script, inputs, outputs, [EVALUATION_FILE])


def check_quality_step(
    evaluation: Evaluation, evaluate: ProcessingStep, good: list[Step | StepCollection]
) -> ConditionStep:
    """Makes the step `CheckQuality`: `good` when the metric reaches the threshold, RejectQuality otherwise."""
    at_least = evaluation.goal is Goal.MAXIMIZE
    condition: Any = ConditionGreaterThanOrEqualTo if at_least else ConditionLessThanOrEqualTo
    measured = JsonGet(
        step_name=evaluate.name, property_file=EVALUATION_FILE, json_path=f"metrics.{evaluation.metric}.value"
    )
    return ConditionStep(
        name="CheckQuality",
        conditions=[condition(left=measured, right=evaluation.threshold)],
        if_steps=good,
        else_steps=[FailStep(name="RejectQuality", error_message=_reason(evaluation, at_least=at_least))],
    )


def _reason(evaluation: Evaluation, *, at_least: bool) -> str:
    side = "at least" if at_least else "at most"
    return f"The model was not registered: {evaluation.metric} has to be {side} {evaluation.threshold}."
