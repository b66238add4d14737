"""Train: the channels -> model.tar.gz, by an own image or by a framework's estimator."""

from typing import Any

from sagemaker.chainer import Chainer
from sagemaker.estimator import Estimator, EstimatorBase
from sagemaker.huggingface import HuggingFace
from sagemaker.inputs import TrainingInput
from sagemaker.mxnet import MXNet
from sagemaker.pytorch import PyTorch
from sagemaker.rl import RLEstimator
from sagemaker.sklearn import SKLearn
from sagemaker.tensorflow import TensorFlow
from sagemaker.workflow.functions import Join
from sagemaker.workflow.steps import ProcessingStep, TrainingStep
from sagemaker.xgboost import XGBoost

from pipelines.definition.steps.context import Context
from pipelines.definition.steps.images import training_image
from pipelines.definition.steps.surroundings import caching, job_retries, keys, tags, training_network
from pipelines.problems import CompileError
from pipelines.spec import Framework, FrameworkName, InputMode, Training

ESTIMATORS: dict[FrameworkName, type[EstimatorBase]] = {
    FrameworkName.SKLEARN: SKLearn,
    FrameworkName.XGBOOST: XGBoost,
    FrameworkName.PYTORCH: PyTorch,
    FrameworkName.TENSORFLOW: TensorFlow,
    FrameworkName.HUGGINGFACE: HuggingFace,
    FrameworkName.MXNET: MXNet,
    FrameworkName.CHAINER: Chainer,
    FrameworkName.RL: RLEstimator,
}


def train_step(context: Context, process: ProcessingStep | None) -> TrainingStep:
    made = estimator(context)
    if context.spec.training is not None and context.spec.training.spot is not None:
        made.checkpoint_s3_uri = context.run_uri("checkpoints")
    step_args = made.fit(inputs=inputs(context, process))
    return TrainingStep(name="Train", step_args=step_args, **caching(context), **job_retries(context))


def inputs(context: Context, process: ProcessingStep | None) -> dict[str, TrainingInput]:
    return {name: TrainingInput(s3_data=channel_uri(context, process, name)) for name in channels_of(context)}


def estimator(context: Context) -> EstimatorBase:
    """Makes the SDK's estimator: an own image's or the framework's."""
    made = _estimator(context)
    # Set afterwards: SKLearn compares the count with 1 when it is made, and a parameter is not a number yet.
    made.instance_count = context.parameters["TrainingInstanceCount"]
    return made


def channels_of(context: Context) -> list[str]:
    """Returns all channels when a Process step writes them; the required ones when they are folders of the upload.

    An optional folder of an upload may be missing, and SageMaker refuses a channel without objects.
    """
    every = context.spec.channels.items()
    return [name for name, channel in every if channel.required or context.spec.processing is not None]


def channel_uri(context: Context, process: ProcessingStep | None, channel: str) -> Any:
    """Says where a channel's objects are."""
    if process is not None:
        return process.properties.ProcessingOutputConfig.Outputs[channel].S3Output.S3Uri
    upload = context.parameters["InputUri"]
    return upload if len(channels_of(context)) == 1 else Join(on="", values=[upload, f"{channel}/"])


def _estimator(context: Context) -> EstimatorBase:
    training, framework = context.spec.training, context.spec.framework
    if training is None:
        raise CompileError("training: expected the training job's machines, found nothing")
    chosen = [name for name in context.spec.hyperparameters if name not in context.spec.tuned]
    shared = {
        "role": context.role,
        "instance_type": context.parameters["TrainingInstanceType"],
        "instance_count": 1,
        "volume_size": training.volume_gb,
        "max_run": training.max_runtime_seconds,
        "output_path": context.run_uri("model"),
        "hyperparameters": {name: context.parameters[name] for name in chosen},
        "disable_profiler": True,
        "debugger_hook_config": False,
        "sagemaker_session": context.session,
        **_asked_for(training),
        **training_network(context),
        **keys(context, volume="volume_kms_key"),
        **tags(context),
    }
    if framework is None:
        return Estimator(image_uri=training_image(context.request), **shared)
    return ESTIMATORS[framework.name](**shared, **_script_mode(context, framework))


def _asked_for(training: Training) -> dict[str, Any]:
    """Returns what the SDK has no default of its own for, where the file asks for it."""
    arguments: dict[str, Any] = {}
    if training.metrics:
        arguments["metric_definitions"] = [{"Name": name, "Regex": regex} for name, regex in training.metrics.items()]
    if training.input_mode is not InputMode.FILE:
        arguments["input_mode"] = training.input_mode.value
    if training.spot is not None:
        arguments |= {"use_spot_instances": True, "max_wait": training.spot.max_wait_seconds}
    return arguments


def _script_mode(context: Context, framework: Framework) -> dict[str, Any]:
    """Returns what a framework's estimator is told besides the machines. The sources are in S3 already."""
    versions: dict[str, Any] = {"framework_version": framework.version, "py_version": framework.py_version}
    if framework.name is FrameworkName.HUGGINGFACE:
        versions = {
            "transformers_version": framework.transformers_version,
            "pytorch_version": framework.version,
            "py_version": framework.py_version,
        }
    if framework.name is FrameworkName.TENSORFLOW:
        # Its own default is a folder with the time in its name, beside the model's.
        versions["model_dir"] = False
    if framework.name is FrameworkName.RL:
        # The image is chosen already, and the SDK takes either that or the toolkit's names.
        versions = {}
    return {
        "entry_point": framework.entry_point,
        "source_dir": context.request.source_uri,
        "image_uri": training_image(context.request),
        "code_location": context.request.environment.artifact_uri("sources"),
        **versions,
    }
