"""The step types, and what AWS lays down for each: its request, its cache key, whether it may be retried.

Sources, all in the SageMaker developer guide: "Pipelines steps", "Default cache key attributes by pipeline step type",
"Retry Policy for Pipeline Steps".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class StepType(StrEnum):
    PROCESSING = "Processing"
    TRAINING = "Training"
    TUNING = "Tuning"
    TRANSFORM = "Transform"
    MODEL = "Model"
    REGISTER_MODEL = "RegisterModel"
    CONDITION = "Condition"
    LAMBDA = "Lambda"
    CALLBACK = "Callback"
    FAIL = "Fail"
    ENDPOINT_CONFIG = "EndpointConfig"
    ENDPOINT = "Endpoint"
    QUALITY_CHECK = "QualityCheck"
    CLARIFY_CHECK = "ClarifyCheck"
    EMR = "EMR"
    EMR_SERVERLESS = "EMRServerless"
    AUTO_ML = "AutoML"
    NOTEBOOK_JOB = "NotebookJob"
    INFERENCE_COMPONENT = "InferenceComponent"
    LINEAGE = "Lineage"
    BEDROCK_CUSTOM_MODEL = "BedrockCustomModel"
    BEDROCK_CUSTOM_MODEL_DEPLOYMENT = "BedrockCustomModelDeployment"
    BEDROCK_PROVISIONED_MODEL_THROUGHPUT = "BedrockProvisionedModelThroughput"
    BEDROCK_MODEL_IMPORT = "BedrockModelImport"


@dataclass(frozen=True, slots=True)
class Kind:
    """What is the same for every step of a type."""

    resource: str = ""
    """What it makes: `ProcessingJob` -> CreateProcessingJob, ProcessingJobName, ProcessingJobArn."""
    metadata: str = ""
    """The member of its Metadata in the list of steps."""
    named: bool = True
    """Its name is the execution's to give, not the definition's."""
    key: tuple[str, ...] | None = None
    """The arguments that decide whether an earlier run may stand in for it; empty: all; None: it is never cached."""
    retried: bool = False
    """Retry policies may stand in it."""

    @property
    def operation(self) -> str:
        return f"Create{self.resource}"

    @property
    def name(self) -> str:
        return f"{self.resource}Name"


_TRAINING_KEY = (
    "AlgorithmSpecification", "CheckpointConfig", "DebugHookConfig", "DebugRuleConfigurations", "Environment",
    "HyperParameters", "InputDataConfig",
)  # fmt: skip

KINDS: Mapping[str, Kind] = {
    StepType.PROCESSING: Kind(
        "ProcessingJob", "ProcessingJob", key=("AppSpecification", "Environment", "ProcessingInputs"), retried=True
    ),
    StepType.TRAINING: Kind("TrainingJob", "TrainingJob", key=_TRAINING_KEY, retried=True),
    StepType.TUNING: Kind(
        "HyperParameterTuningJob",
        "TuningJob",
        key=("HyperParameterTuningJobConfig", "TrainingJobDefinition", "TrainingJobDefinitions"),
        retried=True,
    ),
    StepType.TRANSFORM: Kind(
        "TransformJob",
        "TransformJob",
        key=("DataProcessing", "Environment", "ModelName", "TransformInput"),
        retried=True,
    ),
    StepType.MODEL: Kind("Model", "Model", retried=True),
    StepType.REGISTER_MODEL: Kind("ModelPackage", "RegisterModel", named=False, retried=True),
    StepType.CONDITION: Kind(metadata="Condition"),
    StepType.LAMBDA: Kind(metadata="Lambda", key=()),
    StepType.CALLBACK: Kind(metadata="Callback", key=()),
    StepType.FAIL: Kind(metadata="Fail"),
    StepType.ENDPOINT_CONFIG: Kind("EndpointConfig", "EndpointConfig", named=False, key=()),
    StepType.ENDPOINT: Kind("Endpoint", "Endpoint", named=False, key=()),
    StepType.QUALITY_CHECK: Kind("ProcessingJob", "QualityCheck", key=(), retried=True),
    StepType.CLARIFY_CHECK: Kind("ProcessingJob", "ClarifyCheck", key=(), retried=True),
    StepType.EMR: Kind(metadata="EMR", key=(), retried=True),
    StepType.EMR_SERVERLESS: Kind(key=()),
    StepType.AUTO_ML: Kind(metadata="AutoMLJob", key=(), retried=True),
    StepType.NOTEBOOK_JOB: Kind(metadata="TrainingJob", key=(), retried=True),
    StepType.INFERENCE_COMPONENT: Kind(metadata="InferenceComponent", key=()),
    StepType.LINEAGE: Kind(metadata="Lineage"),
    StepType.BEDROCK_CUSTOM_MODEL: Kind(metadata="BedrockCustomModel"),
    StepType.BEDROCK_CUSTOM_MODEL_DEPLOYMENT: Kind(metadata="BedrockCustomModelDeployment"),
    StepType.BEDROCK_PROVISIONED_MODEL_THROUGHPUT: Kind(metadata="BedrockProvisionedModelThroughput"),
    StepType.BEDROCK_MODEL_IMPORT: Kind(metadata="BedrockModelImport"),
}

BESIDE = (
    "FunctionArn", "SqsQueueUrl", "OutputParameters", "CheckType", "ModelPackageGroupName", "SkipCheck",
    "FailOnViolation", "RegisterNewBaseline", "SuppliedBaselineStatistics", "SuppliedBaselineConstraints", "ModelName",
    "ClusterConfig", "ExecutionRoleArn", "SecurityConfiguration",
)  # fmt: skip
"""What stands in some steps beside their Arguments and has expressions of its own."""
