"""Process, train the built-in XGBoost, evaluate, and on a good score create, register and transform; in the habit of
the public examples: default bucket and execution role of the session, parameters, caching, a JSON report that decides.

Usage: pipeline.py (with AWS_ENDPOINT_URL set).
"""

import os
import random
import sys

import sagemaker
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.model import Model
from sagemaker.model_metrics import MetricsSource, ModelMetrics
from sagemaker.processing import ProcessingInput, ProcessingOutput, ScriptProcessor
from sagemaker.s3 import S3Downloader, S3Uploader
from sagemaker.sklearn.processing import SKLearnProcessor
from sagemaker.transformer import Transformer
from sagemaker.workflow.condition_step import ConditionStep
from sagemaker.workflow.conditions import ConditionLessThanOrEqualTo
from sagemaker.workflow.fail_step import FailStep
from sagemaker.workflow.functions import Join, JsonGet
from sagemaker.workflow.model_step import ModelStep
from sagemaker.workflow.parameters import ParameterFloat, ParameterInteger, ParameterString
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import PipelineSession
from sagemaker.workflow.properties import PropertyFile
from sagemaker.workflow.steps import CacheConfig, ProcessingStep, TrainingStep, TransformStep

BASE_DIR = os.path.dirname(os.path.realpath(__file__))

session = sagemaker.session.Session()
region = session.boto_region_name
role = sagemaker.get_execution_role()
pipeline_session = PipelineSession()
default_bucket = session.default_bucket()
prefix = "AbalonePipeline"

random.seed(3)
rows = []
for _ in range(600):
    length = random.uniform(0.2, 0.8)
    rings = int(3 + 15 * length + random.gauss(0, 1))
    rows.append(f"{random.choice('MFI')},{length:.3f},{length * 0.3:.3f},{length**3 * 2:.3f},{rings}")
input_data_uri = S3Uploader.upload_string_as_file_body(
    "\n".join(rows), f"s3://{default_bucket}/{prefix}/shells.csv", sagemaker_session=session
)
S3Uploader.upload_string_as_file_body(
    "\n".join(row.rpartition(",")[0].partition(",")[2] for row in rows[:50]),
    f"s3://{default_bucket}/{prefix}/batch/batch.csv",
    sagemaker_session=session,
)

processing_instance_count = ParameterInteger(name="ProcessingInstanceCount", default_value=1)
instance_type = ParameterString(name="TrainingInstanceType", default_value="ml.m5.xlarge")
model_approval_status = ParameterString(name="ModelApprovalStatus", default_value="PendingManualApproval")
input_data = ParameterString(name="InputData", default_value=input_data_uri)
mse_threshold = ParameterFloat(name="MseThreshold", default_value=6.0)
cache_config = CacheConfig(enable_caching=True, expire_after="30d")

sklearn_processor = SKLearnProcessor(
    framework_version="1.2-1",
    instance_type="ml.m5.xlarge",
    instance_count=processing_instance_count,
    base_job_name="sklearn-abalone-process",
    role=role,
    sagemaker_session=pipeline_session,
)
step_process = ProcessingStep(
    name="AbaloneProcess",
    step_args=sklearn_processor.run(
        outputs=[
            ProcessingOutput(output_name="train", source="/opt/ml/processing/train"),
            ProcessingOutput(output_name="validation", source="/opt/ml/processing/validation"),
            ProcessingOutput(output_name="test", source="/opt/ml/processing/test"),
        ],
        code=os.path.join(BASE_DIR, "preprocess.py"),
        arguments=["--input-data", input_data],
    ),
    cache_config=cache_config,
)

image_uri = sagemaker.image_uris.retrieve(
    framework="xgboost", region=region, version="1.7-1", py_version="py3", instance_type="ml.m5.xlarge"
)
xgb_train = Estimator(
    image_uri=image_uri,
    instance_type=instance_type,
    instance_count=1,
    output_path=f"s3://{default_bucket}/{prefix}/AbaloneTrain",
    base_job_name="abalone-train",
    sagemaker_session=pipeline_session,
    role=role,
)
xgb_train.set_hyperparameters(
    objective="reg:linear", num_round=20, max_depth=5, eta=0.2, gamma=4, min_child_weight=6, subsample=0.7
)


def channel(name):
    uri = step_process.properties.ProcessingOutputConfig.Outputs[name].S3Output.S3Uri
    return TrainingInput(s3_data=uri, content_type="text/csv")


step_train = TrainingStep(
    name="AbaloneTrain",
    step_args=xgb_train.fit(inputs={"train": channel("train"), "validation": channel("validation")}),
    cache_config=cache_config,
)

script_eval = ScriptProcessor(
    image_uri=image_uri,
    command=["python3"],
    instance_type="ml.m5.xlarge",
    instance_count=1,
    base_job_name="script-abalone-eval",
    sagemaker_session=pipeline_session,
    role=role,
)
evaluation_report = PropertyFile(name="AbaloneEvaluationReport", output_name="evaluation", path="evaluation.json")
step_eval = ProcessingStep(
    name="AbaloneEval",
    step_args=script_eval.run(
        inputs=[
            ProcessingInput(
                source=step_train.properties.ModelArtifacts.S3ModelArtifacts, destination="/opt/ml/processing/model"
            ),
            ProcessingInput(
                source=step_process.properties.ProcessingOutputConfig.Outputs["test"].S3Output.S3Uri,
                destination="/opt/ml/processing/test",
            ),
        ],
        outputs=[
            ProcessingOutput(
                output_name="evaluation",
                source="/opt/ml/processing/evaluation",
                destination=f"s3://{default_bucket}/{prefix}/evaluation",
            )
        ],
        code=os.path.join(BASE_DIR, "evaluation.py"),
    ),
    property_files=[evaluation_report],
)

model = Model(
    image_uri=image_uri,
    model_data=step_train.properties.ModelArtifacts.S3ModelArtifacts,
    sagemaker_session=pipeline_session,
    role=role,
)
step_create = ModelStep(name="AbaloneCreateModel", step_args=model.create(instance_type="ml.m5.large"))
model_metrics = ModelMetrics(
    model_statistics=MetricsSource(
        s3_uri=f"s3://{default_bucket}/{prefix}/evaluation/evaluation.json", content_type="application/json"
    )
)
step_register = ModelStep(
    name="AbaloneRegisterModel",
    step_args=model.register(
        content_types=["text/csv"],
        response_types=["text/csv"],
        inference_instances=["ml.t2.medium", "ml.m5.xlarge"],
        transform_instances=["ml.m5.xlarge"],
        model_package_group_name="AbaloneModelPackageGroup",
        approval_status=model_approval_status,
        model_metrics=model_metrics,
    ),
)
transformer = Transformer(
    model_name=step_create.properties.ModelName,
    instance_type="ml.m5.xlarge",
    instance_count=1,
    output_path=f"s3://{default_bucket}/{prefix}/transform",
    sagemaker_session=pipeline_session,
)
wanted = "--transform" in sys.argv
step_transform = TransformStep(
    name="AbaloneTransform",
    step_args=transformer.transform(
        data=f"s3://{default_bucket}/{prefix}/batch/", content_type="text/csv", split_type="Line"
    ),
)
step_fail = FailStep(
    name="AbaloneMSEFail", error_message=Join(on=" ", values=["Execution failed due to MSE >", mse_threshold])
)
step_cond = ConditionStep(
    name="AbaloneMSECond",
    conditions=[
        ConditionLessThanOrEqualTo(
            left=JsonGet(
                step_name=step_eval.name, property_file=evaluation_report, json_path="regression_metrics.mse.value"
            ),
            right=mse_threshold,
        )
    ],
    if_steps=[step_register, step_create, *([step_transform] if wanted else [])],
    else_steps=[step_fail],
)
pipeline = Pipeline(
    name="AbalonePipeline",
    parameters=[processing_instance_count, instance_type, model_approval_status, input_data, mse_threshold],
    steps=[step_process, step_train, step_eval, step_cond],
    sagemaker_session=pipeline_session,
)

if __name__ == "__main__":
    pipeline.upsert(role_arn=role)
    execution = pipeline.start(parameters={"ModelApprovalStatus": "Approved"})
    print(execution.describe()["PipelineExecutionStatus"])
    execution.wait(delay=2)
    for step in execution.list_steps():
        print(step["StepName"], step["StepStatus"], step.get("FailureReason", ""))
    print(S3Downloader.read_file(f"s3://{default_bucket}/{prefix}/evaluation/evaluation.json", session))

    # Too strict a threshold: the same work comes from the cache, and the condition takes the other way.
    execution = pipeline.start(parameters={"MseThreshold": 0.001})
    try:
        execution.wait(delay=2)
    except Exception as error:
        print("second run:", type(error).__name__)
    for step in execution.list_steps():
        print("second run:", step["StepName"], step["StepStatus"], bool(step.get("CacheHitResult")))
        if step["StepName"] == "AbaloneMSEFail":
            print("second run:", step["Metadata"]["Fail"]["ErrorMessage"])
