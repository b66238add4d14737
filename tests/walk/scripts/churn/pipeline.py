"""The older way to write a pipeline: steps that take estimators and processors themselves, RegisterModel, an image whose
model is a pickle; then what came of it deployed and asked with boto3 and its waiters.
"""

import os
import random

import boto3
import sagemaker
from sagemaker.estimator import Estimator
from sagemaker.inputs import CreateModelInput, TrainingInput
from sagemaker.model import Model
from sagemaker.model_metrics import MetricsSource, ModelMetrics
from sagemaker.processing import ProcessingInput, ProcessingOutput, ScriptProcessor
from sagemaker.sklearn.processing import SKLearnProcessor
from sagemaker.workflow.condition_step import ConditionStep
from sagemaker.workflow.conditions import ConditionGreaterThanOrEqualTo
from sagemaker.workflow.functions import JsonGet
from sagemaker.workflow.parameters import ParameterInteger, ParameterString
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.properties import PropertyFile
from sagemaker.workflow.step_collections import RegisterModel
from sagemaker.workflow.steps import CreateModelStep, ProcessingStep, TrainingStep

here = os.path.dirname(os.path.abspath(__file__))
boto_session = boto3.session.Session()
region = boto_session.region_name
sess = sagemaker.session.Session(
    boto_session=boto_session,
    sagemaker_client=boto_session.client("sagemaker"),
    sagemaker_runtime_client=boto_session.client("sagemaker-runtime"),
)
try:
    role = sagemaker.get_execution_role()
except ValueError:
    role = boto3.client("iam").get_role(RoleName="sagemaker")["Role"]["Arn"]
bucket = sess.default_bucket()
prefix = "churn"

random.seed(0)
with open("churn.csv", "w") as f:
    f.write("minutes,calls,plan,churned\n")
    for _ in range(400):
        minutes, calls = random.uniform(0, 300), random.randint(0, 9)
        f.write(f"{minutes:.1f},{calls},{random.choice('ab')},{int(minutes > 150 and calls > 3)}\n")
raw = sess.upload_data("churn.csv", bucket=bucket, key_prefix=f"{prefix}/raw")

instance_count = ParameterInteger(name="InstanceCount", default_value=1)
approval = ParameterString(name="ApprovalStatus", default_value="Approved")
input_uri = ParameterString(name="InputDataUrl", default_value=raw)

processor = SKLearnProcessor(
    framework_version="0.23-1", role=role, instance_type="ml.t3.medium", instance_count=instance_count,
    base_job_name=f"{prefix}-process", sagemaker_session=sess,
)  # fmt: skip
process = ProcessingStep(
    name="ChurnProcess", processor=processor, code=os.path.join(here, "preprocess.py"),
    inputs=[ProcessingInput(source=input_uri, destination="/opt/ml/processing/input")],
    outputs=[
        ProcessingOutput(output_name="train", source="/opt/ml/processing/train", destination=f"s3://{bucket}/{prefix}/train"),
        ProcessingOutput(output_name="test", source="/opt/ml/processing/test"),
    ],
    job_arguments=["--train-test-split-ratio", "0.2"],
)  # fmt: skip
image = sagemaker.image_uris.retrieve("xgboost", region, version="1.0-1", py_version="py3", instance_type="ml.m5.xlarge")
estimator = Estimator(
    image_uri=image, instance_type="ml.m5.xlarge", instance_count=1, role=role, sagemaker_session=sess,
    output_path=f"s3://{bucket}/{prefix}/model", max_run=600, use_spot_instances=True, max_wait=900,
    hyperparameters={"objective": "binary:logistic", "num_round": "12", "eval_metric": "auc,error"},
)  # fmt: skip
train = TrainingStep(
    name="ChurnTrain", estimator=estimator,
    inputs={
        "train": TrainingInput(
            s3_data=process.properties.ProcessingOutputConfig.Outputs["train"].S3Output.S3Uri, content_type="text/csv"
        ),
        "validation": TrainingInput(
            process.properties.ProcessingOutputConfig.Outputs["test"].S3Output.S3Uri, content_type="csv"
        ),
    },
)  # fmt: skip
report = PropertyFile(name="ChurnReport", output_name="evaluation", path="evaluation.json")
evaluate = ProcessingStep(
    name="ChurnEvaluate", code=os.path.join(here, "evaluate.py"), property_files=[report],
    processor=ScriptProcessor(
        image_uri=image, command=["python3"], instance_type="ml.m5.xlarge", instance_count=1, role=role,
        sagemaker_session=sess, max_runtime_in_seconds=600, env={"LEVEL": "1"},
    ),
    inputs=[
        ProcessingInput(train.properties.ModelArtifacts.S3ModelArtifacts, "/opt/ml/processing/model"),
        ProcessingInput(
            process.properties.ProcessingOutputConfig.Outputs["test"].S3Output.S3Uri, "/opt/ml/processing/test"
        ),
    ],
    outputs=[ProcessingOutput(output_name="evaluation", source="/opt/ml/processing/evaluation")],
)  # fmt: skip
evaluation = evaluate.arguments["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"]
register = RegisterModel(
    name="ChurnRegister", estimator=estimator, model_data=train.properties.ModelArtifacts.S3ModelArtifacts,
    content_types=["text/csv"], response_types=["text/csv"], inference_instances=["ml.t2.medium"],
    transform_instances=["ml.m5.large"], model_package_group_name="ChurnGroup", approval_status=approval,
    model_metrics=ModelMetrics(MetricsSource(content_type="application/json", s3_uri=f"{evaluation}/evaluation.json")),
)  # fmt: skip
create = CreateModelStep(
    name="ChurnModel", inputs=CreateModelInput(instance_type="ml.m5.large"),
    model=Model(image, train.properties.ModelArtifacts.S3ModelArtifacts, role=role, sagemaker_session=sess),
)  # fmt: skip
condition = ConditionStep(
    name="ChurnGood",
    conditions=[
        ConditionGreaterThanOrEqualTo(
            JsonGet(step_name="ChurnEvaluate", property_file=report, json_path="binary_classification_metrics.auc.value"),
            0.7,
        )
    ],
    if_steps=[register, create], else_steps=[],
)  # fmt: skip
pipeline = Pipeline(
    name="ChurnPipeline", parameters=[instance_count, approval, input_uri], steps=[process, train, evaluate, condition],
    sagemaker_session=sess,
)  # fmt: skip

pipeline.upsert(role_arn=role, tags=[{"Key": "project", "Value": "churn"}])
execution = pipeline.start()
try:
    execution.wait(delay=1, max_attempts=120)
finally:
    for step in execution.list_steps():
        print(step["StepName"], step["StepStatus"], step.get("FailureReason", ""))

sm = boto3.client("sagemaker")
best = sm.list_model_packages(
    ModelPackageGroupName="ChurnGroup", ModelApprovalStatus="Approved", SortBy="CreationTime", SortOrder="Descending"
)["ModelPackageSummaryList"][0]["ModelPackageArn"]
sm.create_model(
    ModelName="churn", ExecutionRoleArn=role, Containers=[{"ModelPackageName": best}], EnableNetworkIsolation=False
)
sm.create_endpoint_config(
    EndpointConfigName="churn",
    ProductionVariants=[
        {"VariantName": "AllTraffic", "ModelName": "churn", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    ],
)
sm.create_endpoint(EndpointName="churn", EndpointConfigName="churn")
sm.get_waiter("endpoint_in_service").wait(EndpointName="churn", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
runtime = boto3.client("sagemaker-runtime")
answer = runtime.invoke_endpoint(EndpointName="churn", ContentType="text/csv", Body="290,9,1,0\n10,1,0,1")
print("scores", answer["Body"].read().decode())
