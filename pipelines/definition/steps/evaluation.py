"""Evaluate and CheckQuality: the model's metrics -> go on, or stop with the reason.

With `against: deployed` there are three steps more before anything is registered: FindDeployed, EvaluateDeployed and
CheckDeployed, which compare the model with the one in service, on the same rows and by the same code.
"""

from typing import Any, Final

from sagemaker.lambda_helper import Lambda
from sagemaker.workflow.condition_step import ConditionStep
from sagemaker.workflow.conditions import ConditionGreaterThanOrEqualTo, ConditionLessThanOrEqualTo
from sagemaker.workflow.fail_step import FailStep
from sagemaker.workflow.functions import JsonGet
from sagemaker.workflow.lambda_step import LambdaOutput, LambdaOutputTypeEnum, LambdaStep
from sagemaker.workflow.properties import PropertyFile
from sagemaker.workflow.step_collections import StepCollection
from sagemaker.workflow.steps import ProcessingStep, Step

from pipelines.definition.steps.context import Context
from pipelines.definition.steps.processing import Work, container_step, output, source
from pipelines.definition.steps.training import channel_uri
from pipelines.spec import Evaluation, Goal

Steps = list[Step | StepCollection]

FOLDER: Final = "evaluation"
"""Below the run: evaluation.json, `{"metrics": {"accuracy": {"value": 0.97}}}`, and perhaps `sample`, one request."""


def evaluate_step(
    context: Context, evaluation: Evaluation, process: ProcessingStep | None, model_data: Any
) -> ProcessingStep:
    """Makes the step `Evaluate`: the trained model, which stands at `model_data`, on the channel `test`."""
    return _evaluated(context, evaluation, process, model_data, "Evaluate", FOLDER)


def check_quality_step(evaluation: Evaluation, evaluate: ProcessingStep, good: Steps) -> ConditionStep:
    """Makes the step `CheckQuality`: `good` when the metric reaches the threshold, RejectQuality otherwise.

    Who reads why it failed is told the value too: `functions/waiting/pipeline_runs.py` looks it up.
    """
    side = "at least" if evaluation.goal is Goal.MAXIMIZE else "at most"
    reason = f"The model was not registered: {evaluation.metric} has to be {side} {evaluation.threshold}."
    return ConditionStep(
        name="CheckQuality",
        conditions=[_condition(evaluation, _measured(evaluation, evaluate), evaluation.threshold)],
        if_steps=good,
        else_steps=[FailStep(name="RejectQuality", error_message=reason)],
    )


def compared_steps(
    context: Context, evaluate: ProcessingStep, process: ProcessingStep | None, model_data: Any, good: Steps
) -> Steps:
    """Makes the steps that lead to `good` only where the model in service is no better on the same rows.

    Where none is in service, FindDeployed gives the new model itself, which is as good as itself.
    """
    evaluation = context.spec.evaluation
    if evaluation is None or evaluation.against is None:
        return good
    find = _find_step(context, model_data)
    theirs = find.properties.Outputs["model_data"]
    deployed = _evaluated(context, evaluation, process, theirs, "EvaluateDeployed", f"{FOLDER}_deployed")
    reason = f"The model was not registered: the one in service has a better {evaluation.metric} on the same rows."
    check = ConditionStep(
        name="CheckDeployed",
        conditions=[_condition(evaluation, _measured(evaluation, evaluate), _measured(evaluation, deployed))],
        if_steps=good,
        else_steps=[FailStep(name="KeepDeployed", error_message=reason)],
    )
    return [find, deployed, check]


def _evaluated(
    context: Context, evaluation: Evaluation, process: ProcessingStep | None, model_data: Any, name: str, folder: str
) -> ProcessingStep:
    inputs = [
        source("model", model_data, "/opt/ml/processing/model"),
        source("test", channel_uri(context, process, "test"), "/opt/ml/processing/test"),
    ]
    outputs = [output("evaluation", "/opt/ml/processing/evaluation", context.run_uri(folder))]
    work = Work(name, "evaluate", evaluation.entry_point, [_file(name)])
    return container_step(context, work, inputs, outputs)


def _file(step: str) -> PropertyFile:
    name = FOLDER if step == "Evaluate" else f"{FOLDER}_deployed"
    return PropertyFile(name=name, output_name="evaluation", path="evaluation.json")


def _measured(evaluation: Evaluation, step: ProcessingStep) -> JsonGet:
    path = f"metrics.{evaluation.metric}.value"
    return JsonGet(step_name=step.name, property_file=_file(step.name), json_path=path)


def _condition(evaluation: Evaluation, left: Any, right: Any) -> Any:
    condition: Any = ConditionGreaterThanOrEqualTo if evaluation.goal is Goal.MAXIMIZE else ConditionLessThanOrEqualTo
    return condition(left=left, right=right)


def _find_step(context: Context, model_data: Any) -> LambdaStep:
    environment = context.request.environment
    return LambdaStep(
        name="FindDeployed",
        lambda_func=Lambda(function_arn=environment.function_arn("find_deployed"), session=context.session),
        inputs={
            "job_id": context.parameters["JobId"],
            "endpoint": environment.resource_name(context.spec.name),
            "model_data": model_data,
        },
        outputs=[LambdaOutput(output_name="model_data", output_type=LambdaOutputTypeEnum.String)],
    )
