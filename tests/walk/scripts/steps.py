"""A pipeline of the step types that the abalone example leaves out: a script-mode estimator whose model is repacked with
another inference script, a tuner, a Lambda function, a callback by a queue, a transform, and a nested condition.
"""

import io
import json
import time
import zipfile
from pathlib import Path

import boto3
import sagemaker
from sagemaker import image_uris
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.lambda_helper import Lambda
from sagemaker.pytorch import PyTorchModel
from sagemaker.sklearn import SKLearn
from sagemaker.sklearn.model import SKLearnModel
from sagemaker.transformer import Transformer
from sagemaker.tuner import ContinuousParameter, HyperparameterTuner
from sagemaker.workflow.callback_step import CallbackOutput, CallbackOutputTypeEnum, CallbackStep
from sagemaker.workflow.condition_step import ConditionStep
from sagemaker.workflow.conditions import ConditionEquals, ConditionGreaterThan, ConditionIn, ConditionNot, ConditionOr
from sagemaker.workflow.execution_variables import ExecutionVariables
from sagemaker.workflow.fail_step import FailStep
from sagemaker.workflow.functions import Join
from sagemaker.workflow.lambda_step import LambdaOutput, LambdaOutputTypeEnum, LambdaStep
from sagemaker.workflow.model_step import ModelStep
from sagemaker.workflow.parameters import ParameterBoolean, ParameterString
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import PipelineSession
from sagemaker.workflow.steps import TrainingStep, TransformStep, TuningStep

HERE = Path(__file__).parent
ROLE = "arn:aws:iam::000000000000:role/SageMakerRole"
BUCKET = "sdk-steps"
FUNCTION = """
def handler(event, context):
    return {"statusCode": 200, "greeting": f"seen {event['model']}", "count": 3}
"""


def prepared():
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    rows = "\n".join(f"{3 * x + 2},{x},{x * x % 7}" for x in range(40))
    boto3.client("s3").put_object(Bucket=BUCKET, Key="train/train.csv", Body=rows)
    boto3.client("s3").put_object(Bucket=BUCKET, Key="rows/rows.csv", Body="10,2\n20,1")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.py", FUNCTION)
    function = boto3.client("lambda").create_function(
        FunctionName="sdk-steps", Runtime="python3.12", Role=ROLE, Handler="index.handler",
        Code={"ZipFile": packed.getvalue()},
    )["FunctionArn"]  # fmt: skip
    return function, boto3.client("sqs").create_queue(QueueName="sdk-steps")["QueueUrl"]


def pipeline_of(function, queue):
    session = PipelineSession(default_bucket=BUCKET)
    mode = ParameterString(name="Mode", default_value="full", enum_values=["full", "quick"])
    loud = ParameterBoolean(name="Loud", default_value=True)
    common = {"role": ROLE, "sagemaker_session": session}
    machine = {"instance_type": "ml.m5.large", "instance_count": 1}
    given = TrainingInput(Join(on="/", values=["s3:/", BUCKET, "train"]), content_type="text/csv")
    estimator = SKLearn(
        "train.py", source_dir=str(HERE / "source"), framework_version="1.2-1", hyperparameters={"alpha": 0.1},
        **machine, **common,
    )  # fmt: skip
    train = TrainingStep(name="Train", step_args=estimator.fit({"train": given}), display_name="Fit a line")
    model = SKLearnModel(
        model_data=train.properties.ModelArtifacts.S3ModelArtifacts, entry_point="train.py",
        source_dir=str(HERE / "source"), framework_version="1.2-1", py_version="py3", **common,
    )  # fmt: skip
    create = ModelStep(name="Line", step_args=model.create(instance_type="ml.m5.large"))
    transformer = Transformer(
        create.properties.ModelName, 1, "ml.m5.large", assemble_with="Line", accept="text/csv",
        output_path=Join(on="/", values=["s3:/", BUCKET, "out", ExecutionVariables.PIPELINE_EXECUTION_ID]),
        sagemaker_session=session,
    )  # fmt: skip
    transform = TransformStep(
        name="Transform",
        step_args=transformer.transform(f"s3://{BUCKET}/rows/", content_type="text/csv", split_type="Line"),
    )
    # The SDK repacks PyTorch models with their inference script, in a training job that it adds itself.
    repacked = PyTorchModel(
        model_data=train.properties.ModelArtifacts.S3ModelArtifacts, entry_point="train.py", framework_version="2.1.0",
        source_dir=str(HERE / "source"), py_version="py310", **common,
    )  # fmt: skip
    register = ModelStep(
        name="Packed",
        step_args=repacked.register(
            content_types=["text/csv"], response_types=["text/csv"], model_package_group_name="sdk-steps",
            inference_instances=["ml.m5.large"], approval_status="Approved", description="repacked",
        ),
    )  # fmt: skip
    algorithm = Estimator(
        image_uris.retrieve("xgboost", "us-east-1", "1.7-1"), output_path=f"s3://{BUCKET}/tuned", **machine, **common
    )
    algorithm.set_hyperparameters(num_round=5)
    tuner = HyperparameterTuner(
        algorithm, "validation:rmse", {"eta": ContinuousParameter(0.1, 0.5)}, max_jobs=2, max_parallel_jobs=2,
        objective_type="Minimize",
    )  # fmt: skip
    tune = TuningStep(name="Tune", step_args=tuner.fit({"train": given, "validation": given}))
    best = ModelStep(
        name="Best",
        step_args=sagemaker.model.Model(
            algorithm.image_uri, tune.get_top_model_s3_uri(top_k=0, s3_bucket=BUCKET, prefix="tuned"), **common
        ).create(instance_type="ml.m5.large"),
    )
    tell = LambdaStep(
        name="Tell", lambda_func=Lambda(function_arn=function, session=session),
        inputs={"model": create.properties.ModelName, "mode": mode},
        outputs=[LambdaOutput("greeting", LambdaOutputTypeEnum.String), LambdaOutput("count", LambdaOutputTypeEnum.Integer)],
    )  # fmt: skip
    ask = CallbackStep(
        name="Ask", sqs_queue_url=queue, inputs={"said": tell.properties.Outputs["greeting"]},
        outputs=[CallbackOutput("answer", CallbackOutputTypeEnum.String)], depends_on=[tell],
    )  # fmt: skip
    never = FailStep(name="Never", error_message="this branch is not taken")
    inner = ConditionStep(
        name="Inner", if_steps=[tune, best], else_steps=[],
        conditions=[ConditionOr([ConditionGreaterThan(tell.properties.Outputs["count"], 2), ConditionEquals(loud, False)])],
    )  # fmt: skip
    outer = ConditionStep(
        name="Outer", if_steps=[inner], else_steps=[never],
        conditions=[
            ConditionIn(mode, ["full", "other"]),
            ConditionNot(ConditionEquals(ask.properties.Outputs["answer"], "no")),
        ],
    )  # fmt: skip
    return Pipeline(
        "sdk-steps", parameters=[mode, loud], steps=[train, create, transform, register, tell, ask, outer],
        sagemaker_session=session,
    )  # fmt: skip


def answered(queue):
    """The other side of the callback: takes the token from the queue and gives it back."""
    sqs = boto3.client("sqs")
    while not (messages := sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages")):
        pass
    body = json.loads(messages[0]["Body"])
    boto3.client("sagemaker").send_pipeline_execution_step_success(
        CallbackToken=body["token"], OutputParameters=[{"Name": "answer", "Value": "yes"}]
    )
    return body["arguments"]


def steps():
    """Runs it, and plays the part of whoever the callback waits for."""
    function, queue = prepared()
    pipeline = pipeline_of(function, queue)
    pipeline.upsert(ROLE)
    execution = pipeline.start(execution_display_name="all-steps")
    said = answered(queue)
    while execution.describe()["PipelineExecutionStatus"] in ("Executing", "Stopping"):
        time.sleep(0.2)
    return {
        "status": execution.describe()["PipelineExecutionStatus"],
        "why": execution.describe().get("FailureReason"),
        "said": said,
        "steps": {step["StepName"]: step["StepStatus"] for step in execution.list_steps()},
        "reasons": {s["StepName"]: s["FailureReason"] for s in execution.list_steps() if "FailureReason" in s},
        "parameters": execution.list_parameters()["PipelineParameters"],
    }
