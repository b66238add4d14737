"""Package: the trained model with the scripts that serve it, where they are not the training's own.

SageMaker's serving images of these frameworks take scripts from `code/` in the model's archive and from nowhere else. A
training script puts its own folder there; one of somebody else's repository does not.
"""

from typing import Any, Final

from sagemaker.workflow.functions import Join
from sagemaker.workflow.steps import ProcessingStep

from pipelines.definition.steps.context import Context
from pipelines.definition.steps.images import inference_image
from pipelines.definition.steps.processing import output, processor, source
from pipelines.definition.steps.surroundings import caching, job_retries
from pipelines.spec import DEFAULT_INSTANCE_TYPE, FrameworkName, Processing

CODE_IN_ARCHIVE: Final = "/opt/ml/model/code"
"""Where the scripts are when the model serves."""

_FROM_ARCHIVE: Final = frozenset(
    {FrameworkName.PYTORCH, FrameworkName.HUGGINGFACE, FrameworkName.MXNET, FrameworkName.TENSORFLOW}
)
_BASE: Final = "/opt/ml/processing"
_PACK: Final = (
    "set -e; mkdir -p all/code packaged; tar -xzf model/model.tar.gz -C all; "
    "tar -xzf serving/sourcedir.tar.gz -C all/code; tar -czf packaged/model.tar.gz -C all ."
)


def is_packaged(context: Context) -> bool:
    """Tells whether the serving scripts come from elsewhere than the training's, and have to be in the archive."""
    framework, request = context.spec.framework, context.request
    if framework is None or framework.serving.entry_point is None or not context.spec.trainable:
        return False
    return framework.serving.name in _FROM_ARCHIVE and request.serving_uri != request.source_uri


def package_step(context: Context, model_data: Any) -> tuple[ProcessingStep, Join]:
    """Makes the step `Package`; tells where the whole archive is, too. `model_data` is the trained model's."""
    made = processor(
        context,
        inference_image(context.request),
        ["sh", "-c", f"cd {_BASE}; {_PACK}"],
        context.spec.deploy.instance_type or DEFAULT_INSTANCE_TYPE,
        Processing(),
    )
    step_args = made.run(
        inputs=[
            source("model", model_data, f"{_BASE}/model"),
            source("serving", context.request.serving_uri, f"{_BASE}/serving"),
        ],
        outputs=[output("packaged", f"{_BASE}/packaged", context.run_uri("packaged"))],
    )
    step = ProcessingStep(name="Package", step_args=step_args, **caching(context), **job_retries(context))
    folder = step.properties.ProcessingOutputConfig.Outputs["packaged"].S3Output.S3Uri
    return step, Join(on="/", values=[folder, "model.tar.gz"])
