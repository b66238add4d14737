"""A request -> the pipeline's definition, by the sagemaker SDK and without a network. `worker` runs this.

Importing this module imports the SDK (1 s and 250 MB): nothing outside the worker and the tests should.
"""

import json
from functools import cache
from typing import Any

import sagemaker.utils
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.step_collections import StepCollection
from sagemaker.workflow.steps import ProcessingStep, Step

from pipelines.definition.document import renamed, steps_of
from pipelines.definition.request import Request
from pipelines.definition.session import session
from pipelines.definition.steps.context import Context, parameters
from pipelines.definition.steps.deployment import deploy_step
from pipelines.definition.steps.evaluation import check_quality_step, compared_steps, evaluate_step
from pipelines.definition.steps.packaging import is_packaged, package_step
from pipelines.definition.steps.processing import process_step
from pipelines.definition.steps.registration import register_step
from pipelines.definition.steps.training import channel_uri, train_step
from pipelines.definition.steps.transform import create_model_step, transform_step
from pipelines.definition.steps.tuning import best_model_uri, tune_step
from pipelines.documents import Document

Steps = list[Step | StepCollection]

# The SDK validates its settings anew for each value it looks up, 60 times a pipeline and 3 s in all. The session
# validates them once, by a name of its own.
sagemaker.utils.validate_sagemaker_config = lambda _: None
# And it reads botocore's file of endpoints for every image it looks up, which is most of what is left.
sagemaker.utils._botocore_resolver = cache(sagemaker.utils._botocore_resolver)


def define(request: Request) -> Document:
    """Returns the definition as data. Raises CompileError, SpecRefused, and what the SDK raises for its values."""
    context = Context(request=request, session=session(request.environment), parameters=parameters(request.spec))
    pipeline = Pipeline(
        name=request.environment.resource_name(request.spec.name),
        parameters=list(context.parameters.values()),
        steps=_steps(context),
        sagemaker_session=context.session,
    )
    definition: Document = json.loads(pipeline.definition())
    for step in steps_of(definition):
        if step["Type"] == "Tuning":
            # A name with the time of compiling in it, which the SDK itself leaves out of training steps.
            step["Arguments"]["TrainingJobDefinition"]["StaticHyperParameters"].pop("sagemaker_job_name", None)
    for name, suffix in (("Register", "RegisterModel"), ("CreateModel", "CreateModel")):
        definition = renamed(definition, f"{name}-{suffix}", name)
    return definition


def _steps(context: Context) -> Steps:
    spec = context.spec
    if not spec.trainable:
        return _publication(context, context.request.artifact_uri, context.parameters.get("InputUri"))
    process = process_step(context) if spec.processing is not None else None
    train, model_data = _training(context, process)
    before: Steps = [step for step in (process, train) if step is not None]
    if is_packaged(context):
        package, model_data = package_step(context, model_data)
        before.append(package)
    data = channel_uri(context, process, spec.transform.channel) if spec.transform else None
    after = _publication(context, model_data, data)
    if spec.evaluation is None:
        return [*before, *after]
    evaluate = evaluate_step(context, spec.evaluation, process, model_data)
    good = compared_steps(context, evaluate, process, model_data, after)
    return [*before, evaluate, check_quality_step(spec.evaluation, evaluate, good)]


def _training(context: Context, process: ProcessingStep | None) -> tuple[Step, Any]:
    """Returns the step that makes models, and where the one that goes on stands."""
    if context.spec.tuning is not None:
        tune = tune_step(context, context.spec.tuning, process)
        return tune, best_model_uri(context, tune)
    train = train_step(context, process)
    return train, train.properties.ModelArtifacts.S3ModelArtifacts


def _publication(context: Context, model_data: Any, data: Any) -> Steps:
    """Returns what becomes of a model: a package, answers for `data`, an endpoint."""
    spec, steps = context.spec, []
    register = register_step(context, spec.registration, model_data) if spec.registration is not None else None
    if register is not None:
        steps.append(register)
    if spec.transform is not None:
        create_model = create_model_step(context, spec.transform, model_data)
        steps += [create_model, transform_step(context, spec.transform, create_model, data)]
    if register is not None and spec.deploys:
        # A model that cannot answer its own test data is not deployed.
        steps.append(deploy_step(context, register, after=steps[2:]))
    return steps
