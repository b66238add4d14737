"""Deploy: the model package -> the endpoint, by the function `deploy_endpoint`, which starts it and does not wait."""

import json
from typing import Any

from sagemaker.lambda_helper import Lambda
from sagemaker.workflow.lambda_step import LambdaOutput, LambdaOutputTypeEnum, LambdaStep
from sagemaker.workflow.model_step import ModelStep
from sagemaker.workflow.steps import Step

from pipelines.definition.steps.context import Context
from pipelines.spec import AlgorithmSpec


def deploy_step(context: Context, register: ModelStep, after: list[Step]) -> LambdaStep:
    """Makes the step `Deploy`, once `after` are over."""
    environment, spec = context.request.environment, context.spec
    return LambdaStep(
        name="Deploy",
        lambda_func=Lambda(function_arn=environment.function_arn("deploy_endpoint"), session=context.session),
        inputs={
            "job_id": context.parameters["JobId"],
            "algorithm": spec.name,
            "model_package_arn": register.properties.ModelPackageArn,
            "endpoint": environment.resource_name(spec.name),
            "deploy": json.dumps(_settings(spec), sort_keys=True, separators=(",", ":")),
        },
        depends_on=after or None,
        outputs=[
            LambdaOutput(output_name="statusCode", output_type=LambdaOutputTypeEnum.Integer),
            LambdaOutput(output_name="endpoint", output_type=LambdaOutputTypeEnum.String),
            LambdaOutput(output_name="endpoint_config", output_type=LambdaOutputTypeEnum.String),
        ],
    )


def _settings(spec: AlgorithmSpec) -> dict[str, Any]:
    """Returns the section `deploy`, and what else an endpoint shares with the jobs, as far as it is asked for."""
    shared = {
        "network": spec.network.model_dump(mode="json", exclude_defaults=True),
        "encryption": spec.encryption.model_dump(mode="json", exclude_defaults=True),
        "tags": dict(spec.tags),
    }
    return spec.deploy.published() | {name: value for name, value in shared.items() if value}
