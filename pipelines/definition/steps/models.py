"""The SDK's model of an algorithm: an image, an archive and the variables of the serving container."""

from typing import Any

from sagemaker.model import Model

from pipelines.definition.steps.context import Context
from pipelines.definition.steps.packaging import CODE_IN_ARCHIVE, is_packaged
from pipelines.definition.steps.surroundings import model_network


def model(context: Context, image: str, model_data: Any) -> Model:
    """`model_data` is a step's property, an S3 URI, or None for a model inside the image or of a hub.

    The SDK's plain Model is used for frameworks too: its own classes would repack the archive at compile time.
    """
    return Model(
        image_uri=image,
        model_data=model_data,
        role=context.role,
        env=_environment(context),
        sagemaker_session=context.session,
        **model_network(context),
    )


def _environment(context: Context) -> dict[str, str]:
    framework, source = context.spec.framework, context.request.serving_uri
    script = framework.serving.entry_point if framework is not None else None
    variables = dict(context.spec.deploy.environment)
    if script is not None and source is not None:
        variables["SAGEMAKER_PROGRAM"] = script
        variables["SAGEMAKER_SUBMIT_DIRECTORY"] = CODE_IN_ARCHIVE if is_packaged(context) else source
    return variables
