"""Register: the model -> a model package, approved or waiting for a person."""

from typing import Any

from sagemaker.model_metrics import MetricsSource, ModelMetrics
from sagemaker.workflow.model_step import ModelStep

from pipelines.definition.steps.context import Context
from pipelines.definition.steps.evaluation import FOLDER
from pipelines.definition.steps.images import inference_image
from pipelines.definition.steps.models import model
from pipelines.definition.steps.surroundings import call_retries
from pipelines.spec import DEFAULT_INSTANCE_TYPE, Approval, HyperparameterType, Register

_MOST, _OF_ORIGIN = 50, 3
"""Properties that a package may have, and those that tell where it is from."""

_STATUS = {Approval.AUTOMATIC: "Approved", Approval.MANUAL: "PendingManualApproval"}


def register_step(context: Context, register: Register, model_data: Any) -> ModelStep:
    """Makes the step `Register`. A package has no tags of its own: those of its group count."""
    endpoints = [context.spec.deploy.instance_type or DEFAULT_INSTANCE_TYPE]
    transform = context.spec.transform
    step_args = model(context, inference_image(context.request), model_data).register(
        content_types=list(register.content_types),
        response_types=list(register.response_types),
        inference_instances=endpoints,
        transform_instances=endpoints if transform is None else [transform.instance_type],
        model_package_group_name=context.request.environment.model_package_group(register.group),
        approval_status=_STATUS[register.approval],
        customer_metadata_properties={**_hyperparameters(context), **_origin(context)},
        model_metrics=_metrics(context),
    )
    return ModelStep(name="Register", step_args=step_args, **call_retries(context))


def _origin(context: Context) -> dict[str, Any]:
    """Returns what the package is of: its algorithm, its job, and the request that a smoke test sends."""
    origin: dict[str, Any] = {"algorithm": context.spec.name, "job_id": context.parameters["JobId"]}
    if context.request.sample_uri is not None:
        origin["sample"] = context.request.sample_uri
    elif context.spec.evaluation is not None:
        origin["sample"] = context.run_uri(FOLDER, "sample")
    return origin


def _hyperparameters(context: Context) -> dict[str, Any]:
    """Returns the numbers among them; the job's row has all.

    A text may hold what SageMaker takes in no such value, and would keep the model from being registered.
    """
    numbers = [
        name
        for name, value in context.spec.hyperparameters.items()
        if name in context.parameters and value.type is not HyperparameterType.STRING
    ]
    return {f"hyperparameter.{name}": context.parameters[name].to_string() for name in numbers[: _MOST - _OF_ORIGIN]}


def _metrics(context: Context) -> ModelMetrics | None:
    """Returns where the package's quality was measured."""
    if context.spec.evaluation is None:
        return None
    measured = MetricsSource(content_type="application/json", s3_uri=context.run_uri(FOLDER, "evaluation.json"))
    return ModelMetrics(model_statistics=measured)
