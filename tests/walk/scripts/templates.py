"""The stepfunctions SDK's templates: TrainingPipeline and InferencePipeline, as they come."""

import time
from pathlib import Path

import boto3
import sagemaker
from sagemaker import image_uris
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.sklearn import SKLearn
from stepfunctions.template.pipeline import InferencePipeline, TrainingPipeline

HERE = Path(__file__).parent
ROLE = "arn:aws:iam::000000000000:role/SageMakerRole"
BUCKET = "sdk-templates"
ROWS = "\n".join(f"{3 * x + 2},{x},{x * x % 7}" for x in range(40))


def finished(arn):
    client = boto3.client("stepfunctions")
    while (execution := client.describe_execution(executionArn=arn))["status"] == "RUNNING":
        time.sleep(0.2)
    events = client.get_execution_history(executionArn=arn, reverseOrder=True, maxResults=5)["events"]
    return {"status": execution["status"], "last": [str(event) for event in events if "Failed" in event["type"]]}


def training():
    """Train, create the model, configure and create the endpoint."""
    estimator = Estimator(
        image_uris.retrieve("xgboost", "us-east-1", "1.7-1"), ROLE, 1, "ml.m5.large", sagemaker_session=session()
    )
    estimator.set_hyperparameters(objective="reg:squarederror", num_round=5)
    given = TrainingInput(f"s3://{BUCKET}/train/train.csv", content_type="text/csv")
    pipeline = TrainingPipeline(estimator, ROLE, {"train": given, "validation": given}, BUCKET)
    pipeline.create()
    execution = pipeline.execute(job_name="template-training")
    return finished(execution.execution_arn)


def inference():
    """Train a preprocessor and an estimator, transform in between, and deploy the two as one pipeline model."""
    common = {"framework_version": "1.2-1", "py_version": "py3", "role": ROLE, "instance_type": "ml.m5.large",
              "instance_count": 1, "sagemaker_session": session()}  # fmt: skip
    preprocessor = SKLearn("preprocess.py", source_dir=str(HERE / "source"), **common)
    estimator = SKLearn("train.py", source_dir=str(HERE / "source"), **common)
    place = f"s3://{BUCKET}/train/"
    pipeline = InferencePipeline(
        preprocessor, estimator, {"train": place}, BUCKET, ROLE, compression_type=None, content_type="text/csv"
    )  # fmt: skip
    pipeline.create()
    execution = pipeline.execute(job_name="template-inference")
    return finished(execution.execution_arn)


def session():
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    boto3.client("s3").put_object(Bucket=BUCKET, Key="train/train.csv", Body=ROWS)
    return sagemaker.Session(default_bucket=BUCKET)
