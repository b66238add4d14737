"""Everyday use of the sagemaker SDK: fit, deploy, predict, transform, process, tune, pipelines. A thread for each use.

Usage: clients.py RESULTS [USE...]. RESULTS receives what each use saw, as JSON; `git` needs the environment that leads
https://git.local/repo.git to a repository.
"""

import json
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import numpy as np
import sagemaker
from sagemaker import image_uris
from sagemaker.async_inference import AsyncInferenceConfig, WaiterConfig
from sagemaker.deserializers import CSVDeserializer
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.model import ModelPackage
from sagemaker.predictor import Predictor
from sagemaker.predictor_async import AsyncPredictor
from sagemaker.processing import FrameworkProcessor, ProcessingInput, ProcessingOutput
from sagemaker.serializers import CSVSerializer
from sagemaker.sklearn import SKLearn, SKLearnModel
from sagemaker.sklearn.processing import SKLearnProcessor
from sagemaker.tuner import ContinuousParameter, HyperparameterTuner
from sagemaker.xgboost import XGBoost
from steps import steps
from templates import inference, training

HERE = Path(__file__).parent
ROLE = "arn:aws:iam::000000000000:role/SageMakerRole"
BUCKET = "sdk-clients"
DATA = "\n".join(f"{3 * x + 2},{x},{x * x % 7}" for x in range(40))
FAST = {"instance_type": "ml.m5.large", "instance_count": 1, "role": ROLE}


def session():
    return sagemaker.Session(default_bucket=BUCKET)


def uri(key, body):
    boto3.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body, ContentType="text/csv")
    return f"s3://{BUCKET}/{key}"


def builtin(s, **hyperparameters):
    estimator = Estimator(
        image_uris.retrieve("xgboost", "us-east-1", "1.7-1"), output_path=f"s3://{BUCKET}/built-in", sagemaker_session=s,
        **FAST,
    )  # fmt: skip
    estimator.set_hyperparameters(objective="reg:squarederror", num_round=10, **hyperparameters)
    return estimator


def channels():
    given = TrainingInput(uri("train/train.csv", DATA), content_type="text/csv")
    return {"train": given, "validation": given}


def in_service(s, name):
    """What deploy(wait=True) waits for, without its thirty seconds between two looks."""
    while (status := s.sagemaker_client.describe_endpoint(EndpointName=name)["EndpointStatus"]) == "Creating":
        time.sleep(0.2)
    return status


def fitted(s, estimator, **given):
    """What fit() waits for, without its five seconds between two looks."""
    estimator.fit(given or channels(), wait=False)
    name = estimator.latest_training_job.name
    while s.describe_training_job(name)["TrainingJobStatus"] not in ("Completed", "Failed"):
        time.sleep(0.2)
    return estimator


def algorithm():
    """The built-in XGBoost with its logs shown, deployed and asked."""
    s = session()
    estimator = builtin(s)
    estimator.fit(channels(), logs=True)
    estimator.deploy(1, "ml.m5.large", wait=False, endpoint_name="sdk-algorithm")
    predictor = Predictor("sdk-algorithm", s, serializer=CSVSerializer(), deserializer=CSVDeserializer())
    status = in_service(s, "sdk-algorithm")
    answer = predictor.predict([[10, 2], [20, 1]])
    predictor.delete_endpoint()
    job = s.describe_training_job(estimator.latest_training_job.name)
    return {
        "status": status, "answer": answer, "metrics": [m["MetricName"] for m in job["FinalMetricDataList"]],
        "analytics": len(estimator.training_job_analytics.dataframe()) >= 0,
    }  # fmt: skip


def script():
    """A framework estimator with source_dir: numpy arrays there and back."""
    s = session()
    estimator = SKLearn(
        "train.py", source_dir=str(HERE / "source"), framework_version="1.2-1", py_version="py3",
        hyperparameters={"alpha": 0.25}, metric_definitions=[{"Name": "score", "Regex": "score=(.*?);"}],
        sagemaker_session=s, **FAST,
    )  # fmt: skip
    estimator.fit({"train": channels()["train"]}, logs=False)
    predictor = estimator.deploy(1, "ml.m5.large", wait=False, endpoint_name="sdk-script")
    in_service(s, "sdk-script")
    answer = predictor.predict(np.array([[10.0, 2.0], [20.0, 1.0]]))
    job = s.describe_training_job(estimator.latest_training_job.name)
    return {"answer": answer.tolist(), "metrics": {m["MetricName"]: m["Value"] for m in job["FinalMetricDataList"]}}


def git():
    """A framework estimator whose source is a git repository."""
    s = session()
    estimator = XGBoost(
        "train.py", source_dir="source", git_config={"repo": "https://git.local/repo.git", "branch": "main"},
        framework_version="1.7-1", sagemaker_session=s, **FAST,
    )  # fmt: skip
    fitted(s, estimator, train=channels()["train"])
    return {"data": estimator.model_data.startswith(f"s3://{BUCKET}/")}


def asynchronous():
    """An asynchronous endpoint of a model with an inference script of its own."""
    s = session()
    estimator = fitted(s, builtin(s))
    config = AsyncInferenceConfig(output_path=f"s3://{BUCKET}/async/", failure_path=f"s3://{BUCKET}/async-failed/")
    estimator.deploy(
        1, "ml.m5.large", wait=False, endpoint_name="sdk-async", async_inference_config=config
    )  # fmt: skip
    in_service(s, "sdk-async")
    predictor = AsyncPredictor(
        Predictor("sdk-async", s, serializer=CSVSerializer(), deserializer=CSVDeserializer()), name="sdk-async"
    )
    # The SDK goes on looking for a failure when the answer is there, and the program ends only after that.
    answer = predictor.predict(data=[[10, 2]], waiter_config=WaiterConfig(max_attempts=15, delay=1))
    later = predictor.predict_async(input_path=uri("async-in/rows.csv", "10,2\n20,1"))
    return {"answer": answer, "later": later.get_result(WaiterConfig(max_attempts=15, delay=1))}


def transform():
    """A batch transform of a fitted estimator."""
    s = session()
    estimator = fitted(s, builtin(s))
    transformer = estimator.transformer(
        1, "ml.m5.large", output_path=f"s3://{BUCKET}/transformed", assemble_with="Line", accept="text/csv"
    )
    transformer.transform(
        uri("rows/rows.csv", "10,2\n20,1\n5,5"), content_type="text/csv", split_type="Line", wait=True, logs=False
    )
    body = boto3.client("s3").get_object(Bucket=BUCKET, Key="transformed/rows.csv.out")["Body"].read().decode()
    return {"rows": body.split()}


def process():
    """A script in the scikit-learn image, and a source folder in a framework's, with logs."""
    s = session()
    given = [ProcessingInput(source=uri("lines/a.txt", "1\n2\n3"), destination="/opt/ml/processing/input/data")]

    def outputs(name):
        place = f"s3://{BUCKET}/processed/{name}"
        return [ProcessingOutput(source="/opt/ml/processing/output", destination=place, output_name="out")]

    SKLearnProcessor(framework_version="1.2-1", sagemaker_session=s, **FAST).run(
        code=str(HERE / "source" / "process.py"), inputs=given, outputs=outputs("script"), arguments=["a", "b"]
    )
    framework = FrameworkProcessor(SKLearn, "1.2-1", command=["python3"], sagemaker_session=s, **FAST)
    framework.run(
        code="process.py", source_dir=str(HERE / "source"), inputs=given, outputs=outputs("framework"), logs=False
    )
    s3 = boto3.client("s3")
    keys = [f"processed/{name}/count.txt" for name in ("script", "framework")]
    return {"counts": [s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode() for key in keys]}


def tune():
    """A tuner over the built-in algorithm's own metric."""
    s = session()
    tuner = HyperparameterTuner(
        builtin(s), "validation:rmse", {"eta": ContinuousParameter(0.1, 0.5)}, max_jobs=2, max_parallel_jobs=2,
        objective_type="Minimize",
    )  # fmt: skip
    tuner.fit(channels(), wait=False)
    name = tuner.latest_tuning_job.name
    while s.sagemaker_client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)[
        "HyperParameterTuningJobStatus"
    ] in ("InProgress", "Stopping"):
        time.sleep(0.2)
    return {"best": tuner.best_training_job(), "jobs": len(tuner.analytics().dataframe())}


def package():
    """A model package of a repacked model: registered, approved, deployed by its ARN."""
    s = session()
    estimator = SKLearn(
        "train.py", source_dir=str(HERE / "source"), framework_version="1.2-1", py_version="py3", sagemaker_session=s,
        **FAST,
    )  # fmt: skip
    fitted(s, estimator, train=channels()["train"])
    model = SKLearnModel(
        estimator.model_data, ROLE, "train.py", framework_version="1.2-1", py_version="py3", sagemaker_session=s,
        source_dir=str(HERE / "source"),
    )  # fmt: skip
    registered = model.register(
        content_types=["text/csv"], response_types=["text/csv"], inference_instances=["ml.m5.large"],
        transform_instances=["ml.m5.large"], model_package_group_name="sdk-packages", approval_status="Approved",
    )  # fmt: skip
    package = ModelPackage(ROLE, model_package_arn=registered.model_package_arn, sagemaker_session=s)
    package.deploy(1, "ml.m5.large", wait=False, endpoint_name="sdk-package")
    in_service(s, "sdk-package")
    predictor = Predictor("sdk-package", s, serializer=CSVSerializer(), deserializer=CSVDeserializer())
    return {"arn": registered.model_package_arn, "answer": predictor.predict([[10.0, 2.0]])}


USES = (algorithm, steps, inference, training, asynchronous, script, package, transform, process, git, tune)


def seen(use):
    began = time.monotonic()
    try:
        return use.__name__, {**use(), "seconds": time.monotonic() - began}
    except Exception as error:
        traceback.print_exc()
        return use.__name__, {"error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    wanted = [use for use in USES if use.__name__ in sys.argv[2:] or not sys.argv[2:]]
    with ThreadPoolExecutor(len(USES)) as pool:
        Path(sys.argv[1]).write_text(json.dumps(dict(pool.map(seen, wanted))))
