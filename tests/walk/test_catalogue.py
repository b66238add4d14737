"""Algorithms of five frameworks, each in SageMaker's image or its own, trained on its sample and asked at its endpoint.

Own images and scikit-learn are walked by test_training; here are XGBoost, MXNet and TensorFlow, a tuning job with a
batch transform, and a batch without a training.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.walk.cloud import HEADRACE, ROOT, Cloud, copy_project, running_cloud

pytestmark = [pytest.mark.cloud, pytest.mark.xdist_group("catalogue")]

_FLOWERS = "SepalLengthCm,SepalWidthCm,PetalLengthCm,PetalWidthCm\n5.1,3.5,1.4,0.2\n6.9,3.1,4.9,1.5\n6.3,3.3,6.0,2.5\n"
_TUNED = """
training:
  instance_type: ml.m5.large
  metrics: {"train:accuracy": "train accuracy=([.0-9]+)"}
tuning:
  objective: {metric: "train:accuracy"}
  strategy: Grid
  parallel_jobs: 2
  ranges: {epochs: {values: [20, 50]}}
transform: {content_type: text/csv, accept: text/csv}
cache: {expire_after: P30D}
tags: {team: flowers}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The algorithms that are walked here, one of them new and one tuned."""
    folder = tmp_path_factory.mktemp("catalogue") / "project"
    return copy_project(folder, "boosted_trees", "digits", "gluonts", "generic")


@pytest.fixture(scope="module")
def touched(project: Path) -> set[Path]:
    """The files that adding an algorithm wrote or changed."""
    before = {path: path.stat().st_mtime_ns for path in project.rglob("*") if path.is_file()}
    subprocess.run([HEADRACE, "algorithms", "new", "churn", "--framework", "sklearn"], cwd=project, check=True)
    after = {path: path.stat().st_mtime_ns for path in project.rglob("*") if path.is_file()}
    return {path for path in before | after if before.get(path) != after.get(path)}


@pytest.fixture(scope="module")
def catalogue(project: Path, touched: set[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    assert touched
    tuned = project / "algorithms" / "tuned"
    shutil.copytree(project / "algorithms" / "churn", tuned)
    file = tuned / "algorithm.yaml"
    text = (
        file.read_text().replace("churn", "tuned").replace("type: integer, default: 1,", "type: integer, default: 1,")
    )
    file.write_text(re.sub(r"(?m)^training:.*$", "", text) + _TUNED)
    with running_cloud(project, tmp_path_factory.mktemp("cloud")) as cloud:
        yield cloud


def trained(cloud: Cloud, name: str, sample: Path, *given: str) -> Mapping[str, Any]:
    """`headrace train` with a sample, to its end; the job."""
    said = subprocess.run(
        [HEADRACE, "train", name, str(sample), "--api-url", cloud.endpoint, "--json", *given],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    job: Mapping[str, Any] = json.loads(said.stdout)[0]
    return job


def asked(cloud: Cloud, job: Mapping[str, Any], body: str | bytes, kind: str = "text/csv") -> str:
    answer = cloud.clients.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=job["links"]["endpoint"], ContentType=kind, Body=body
    )
    text: str = answer["Body"].read().decode()
    return text


def classes(text: str) -> list[int]:
    rows = [[float(value) for value in line.split(",")] for line in text.splitlines()]
    return [row.index(max(row)) for row in rows]


def samples(name: str) -> Path:
    return ROOT / "algorithms" / name / "samples"


def test_a_new_algorithm_is_one_folder_that_an_upload_trains(
    catalogue: Cloud, project: Path, touched: set[Path]
) -> None:
    folder = project / "algorithms" / "churn"
    assert {path.is_relative_to(folder) for path in touched} == {True}
    catalogue.put("datasets/churn/spring/iris.csv", (folder / "samples" / "iris.csv").read_bytes())
    job = catalogue.succeeded("datasets/churn/spring/iris.csv")
    assert classes(asked(catalogue, job, _FLOWERS)) == [0, 1, 2]


def test_the_best_of_several_jobs_is_registered_and_has_to_answer_its_test_data(
    catalogue: Cloud, project: Path
) -> None:
    job = trained(catalogue, "tuned", project / "algorithms" / "tuned" / "samples" / "iris.csv")
    assert classes(asked(catalogue, job, _FLOWERS)) == [0, 1, 2]
    sagemaker = catalogue.clients.client("sagemaker")
    (tuning,) = sagemaker.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"]
    assert tuning["TrainingJobStatusCounters"]["Completed"] == 2
    (transform,) = [
        one
        for one in sagemaker.list_transform_jobs()["TransformJobSummaries"]
        if "Transform" in one["TransformJobName"]
    ]
    assert transform["TransformJobStatus"] == "Completed"


def test_xgboost_trains_and_answers(catalogue: Cloud) -> None:
    job = trained(catalogue, "boosted_trees", samples("boosted_trees") / "diabetes.csv")
    answers = [
        float(line) for line in asked(catalogue, job, (samples("boosted_trees") / "holdout.csv").read_text()).split()
    ]
    assert len(answers) == 6
    assert answers[0] < answers[-1]


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="MXNet's last release runs on Python 3.11 at most")
def test_mxnet_trains_and_answers(catalogue: Cloud) -> None:
    small = ("epochs=5", "num-batches-per-epoch=20", "batch-size=32", "context-length=36", "learning-rate=0.01")
    fast = [word for value in small for word in ("--set", value)]
    job = trained(catalogue, "gluonts", samples("gluonts") / "sea_surface.jsonl", *fast)
    (forecast,) = json.loads(
        asked(catalogue, job, (samples("gluonts") / "request.json").read_text(), "application/json")
    )["predictions"]
    assert len(forecast["mean"]) == 24
    assert all(15 < value < 35 for value in forecast["mean"])


def test_tensorflow_trains_and_answers(catalogue: Cloud) -> None:
    job = trained(catalogue, "digits", samples("digits") / "digits.csv", "--set", "epochs=6")
    held_out = (samples("digits") / "holdout.csv").read_text()
    wanted = [int(line.partition(",")[0]) for line in held_out.splitlines()[1:]]
    found = json.loads(asked(catalogue, job, held_out))["predictions"]
    assert [row.index(max(row)) for row in found] == wanted


def test_a_batch_is_answered_without_a_training(catalogue: Cloud) -> None:
    key = "batches/generic/shapes.png"
    catalogue.put(key, (samples("generic") / "shapes.png").read_bytes())
    job = catalogue.succeeded(key)
    assert job["kind"] == "batch"
    s3 = catalogue.clients.client("s3")
    objects = s3.list_objects_v2(Bucket=catalogue.artifacts, Prefix=f"runs/{job['job_id']}/")["Contents"]
    # Beside the copy of what was uploaded there is one answer.
    (answer,) = (entry["Key"] for entry in objects if "/input/" not in entry["Key"])
    body = s3.get_object(Bucket=catalogue.artifacts, Key=answer)["Body"].read()
    assert json.loads(body)["regions"]
