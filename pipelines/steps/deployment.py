"""Deploy: the model package -> the endpoint, by the function `deploy_endpoint`, which starts it and does not wait."""

import json

from sagemaker.lambda_helper import Lambda
from sagemaker.workflow.lambda_step import LambdaOutput, LambdaOutputTypeEnum, LambdaStep
from sagemaker.workflow.model_step import ModelStep

from pipelines.steps.context import Context


def deploy_step(context: Context, register: ModelStep) -> LambdaStep:
    """The step `Deploy`."""
    environment, spec = context.request.environment, context.spec
    return LambdaStep(
        name="Deploy",
        lambda_func=Lambda(function_arn=environment.function_arn("deploy_endpoint"), session=context.session),
        inputs={
            "job_id": context.parameters["JobId"],
            "algorithm": spec.name,
            "model_package_arn": register.properties.ModelPackageArn,
            "endpoint": environment.resource_name(spec.name),
            "deploy": json.dumps(spec.deploy.published(), sort_keys=True, separators=(",", ":")),
        },
        outputs=[
            LambdaOutput(output_name="statusCode", output_type=LambdaOutputTypeEnum.Integer),
            LambdaOutput(output_name="endpoint", output_type=LambdaOutputTypeEnum.String),
            LambdaOutput(output_name="endpoint_config", output_type=LambdaOutputTypeEnum.String),
        ],
    )
