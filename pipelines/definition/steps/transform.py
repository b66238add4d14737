"""CreateModel and Transform: a model -> its answers for every file of a channel or of an upload."""

from typing import Any

from sagemaker.transformer import Transformer
from sagemaker.workflow.model_step import ModelStep
from sagemaker.workflow.steps import TransformStep

from pipelines.definition.steps.context import Context
from pipelines.definition.steps.images import transform_image
from pipelines.definition.steps.models import model
from pipelines.definition.steps.surroundings import caching, call_retries, job_retries, keys, tags
from pipelines.spec import Transform


def create_model_step(context: Context, transform: Transform, model_data: Any) -> ModelStep:
    made = model(context, transform_image(context.request), model_data)
    step_args = made.create(instance_type=transform.instance_type, **tags(context))
    return ModelStep(name="CreateModel", step_args=step_args, **call_retries(context))


def transform_step(context: Context, transform: Transform, create_model: ModelStep, data: Any) -> TransformStep:
    """Makes the step `Transform` of the objects below `data`."""
    transformer = Transformer(
        model_name=create_model.properties.ModelName,
        instance_type=context.parameters["TransformInstanceType"],
        instance_count=context.parameters["TransformInstanceCount"],
        output_path=context.run_uri("transform"),
        strategy=transform.strategy,
        assemble_with=transform.assemble_with,
        accept=transform.accept,
        max_concurrent_transforms=transform.max_concurrent,
        max_payload=transform.max_payload_mb,
        sagemaker_session=context.session,
        **keys(context, volume="volume_kms_key"),
        **tags(context),
    )
    step_args = transformer.transform(data=data, content_type=transform.content_type, split_type=transform.split_type)
    return TransformStep(name="Transform", step_args=step_args, **caching(context), **job_retries(context))
