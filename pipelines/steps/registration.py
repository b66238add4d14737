"""Register: the model -> a model package, approved or waiting for a person."""

from typing import Any

from sagemaker.model import Model
from sagemaker.workflow.model_step import ModelStep

from pipelines.spec import Approval, Register
from pipelines.steps.context import Context

_STATUS = {Approval.AUTOMATIC: "Approved", Approval.MANUAL: "PendingManualApproval"}
_DEFAULT_INSTANCE_TYPE = "ml.m5.large"


def register_step(context: Context, register: Register, model_data: Any) -> ModelStep:
    """The step `Register`. `model_data` is a step's property, an S3 URI, or None for a model inside the image.

    The SDK's plain Model is used for frameworks too: its own classes would repack the archive at compile time.
    """
    model = Model(
        image_uri=context.inference_image,
        model_data=model_data,
        role=context.role,
        env=_environment(context),
        sagemaker_session=context.session,
    )
    instances = [context.spec.deploy.instance_type or _DEFAULT_INSTANCE_TYPE]
    step_args = model.register(
        content_types=list(register.content_types),
        response_types=list(register.response_types),
        inference_instances=instances,
        transform_instances=instances,
        model_package_group_name=context.request.environment.model_package_group(register.group),
        approval_status=_STATUS[register.approval],
    )
    return ModelStep(name="Register", step_args=step_args)


def _environment(context: Context) -> dict[str, str]:
    framework = context.spec.framework
    variables = dict(context.spec.deploy.environment)
    if framework is not None and framework.inference_entry_point is not None and context.request.source_uri is not None:
        variables["SAGEMAKER_PROGRAM"] = framework.inference_entry_point
        variables["SAGEMAKER_SUBMIT_DIRECTORY"] = context.request.source_uri
    return variables
