"""A request -> the pipeline's definition, by the sagemaker SDK and without a network. `worker` runs this.

Importing this module imports the SDK (1 s and 250 MB): nothing outside the worker and the tests should.
"""

import json
from functools import cache
from typing import Any, NoReturn

import boto3
import sagemaker.utils
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import PipelineSession
from sagemaker.workflow.step_collections import StepCollection
from sagemaker.workflow.steps import Step

from pipelines.compiled import renamed
from pipelines.environment import Environment
from pipelines.problems import CompileError
from pipelines.request import Request
from pipelines.steps.context import Context, parameters
from pipelines.steps.deployment import deploy_step
from pipelines.steps.evaluation import check_quality_step, evaluate_step
from pipelines.steps.images import inference_image, training_image
from pipelines.steps.processing import process_step
from pipelines.steps.registration import register_step
from pipelines.steps.training import train_step

Steps = list[Step | StepCollection]

_SETTINGS: dict[str, Any] = {
    "SchemaVersion": "1.0",
    "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}},
}

# The SDK validates its settings anew for each value it looks up, 60 times a pipeline and 3 s in all. The session
# validates them once, by a name of its own.
sagemaker.utils.validate_sagemaker_config = lambda _: None


class OfflineSession(PipelineSession):  # type: ignore[misc]  # the SDK has no types
    """A PipelineSession whose AWS calls all fail, with the operation's name, before they reach a socket."""

    def __init__(self, environment: Environment) -> None:
        self._bucket_of_artifacts = environment.artifacts_bucket
        session = boto3.Session("offline", "offline", region_name=environment.region)
        session.events.register("before-send", _refuse)
        super().__init__(boto_session=session, sagemaker_config=_SETTINGS)

    def default_bucket(self) -> str:
        """The artifacts bucket, without asking whether it is there."""
        return self._bucket_of_artifacts


@cache
def _session(environment: Environment) -> OfflineSession:
    # Making a session loads four service models, 0.3 s; one serves every pipeline of a process.
    return OfflineSession(environment)


def _refuse(request: Any, **_: object) -> NoReturn:
    raise CompileError(f"the SDK tried to call AWS while compiling: {request.method} {request.url}")


def define(request: Request) -> dict[str, Any]:
    """The pipeline's definition as data. Raises CompileError and what the SDK raises for values it refuses."""
    context = Context(
        request=request,
        session=_session(request.environment),
        parameters=parameters(request.spec),
        training_image=training_image(request),
        inference_image=inference_image(request),
    )
    pipeline = Pipeline(
        name=request.environment.resource_name(request.spec.name),
        parameters=list(context.parameters.values()),
        steps=_steps(context),
        sagemaker_session=context.session,
    )
    return renamed(json.loads(pipeline.definition()), "Register-RegisterModel", "Register")


def _steps(context: Context) -> Steps:
    spec = context.spec
    if not spec.trainable:
        return _publication(context, context.request.artifact_uri)
    process = process_step(context) if spec.processing is not None else None
    train = train_step(context, process)
    before: Steps = [step for step in (process, train) if step is not None]
    after = _publication(context, train.properties.ModelArtifacts.S3ModelArtifacts)
    if spec.evaluation is None:
        return [*before, *after]
    evaluate = evaluate_step(context, spec.evaluation, process, train)
    return [*before, evaluate, check_quality_step(spec.evaluation, evaluate, after)]


def _publication(context: Context, model_data: Any) -> Steps:
    if context.spec.registration is None:
        return []
    register = register_step(context, context.spec.registration, model_data)
    return [register, deploy_step(context, register)] if context.spec.deploys else [register]
