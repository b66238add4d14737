"""Register: the model -> a model package, approved or waiting for a person."""

from typing import Any

from sagemaker.workflow.model_step import ModelStep

from pipelines.definition.steps.context import Context
from pipelines.definition.steps.images import inference_image
from pipelines.definition.steps.models import model
from pipelines.definition.steps.surroundings import call_retries
from pipelines.spec import DEFAULT_INSTANCE_TYPE, Approval, HyperparameterType, Register

_MOST = 50
"""Properties that a package may have."""

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
        customer_metadata_properties=_origin(context),
    )
    return ModelStep(name="Register", step_args=step_args, **call_retries(context))


def _origin(context: Context) -> dict[str, Any]:
    """Returns what a package says of its run: the job, whose row has the rest, and the numbers among hyperparameters.

    A text may hold what SageMaker takes in no such value, and would keep the model from being registered.
    """
    numbers = [
        name
        for name, value in context.spec.hyperparameters.items()
        if name in context.parameters and value.type is not HyperparameterType.STRING
    ]
    texts = {f"hyperparameter.{name}": context.parameters[name].to_string() for name in numbers[: _MOST - 1]}
    return {"job_id": context.parameters["JobId"], **texts}
