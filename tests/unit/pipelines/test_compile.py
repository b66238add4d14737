"""Specifications become definitions: the right steps, the same bytes, no network, and nothing twice."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pipelines.catalogue import load_catalogue
from pipelines.compile import compile_algorithms
from pipelines.definition import exchange
from pipelines.definition.cache import definitions, source_sha256
from pipelines.definition.document import renamed, steps_of
from pipelines.definition.request import Request
from pipelines.definition.validation import argument_problems
from pipelines.environment import Environment
from pipelines.folders import pack
from pipelines.problems import CompileError
from pipelines.product import CompiledPipeline, derived_job_id
from pipelines.progress import silent
from tests.definitions import CHINA, IMAGES, NAMED, SIZED
from tests.unit.pipelines.catalogues import FRAMEWORK, OWN, UNTRAINED, write_algorithm, write_catalogue

# What they share is made once: one worker runs them all.
pytestmark = pytest.mark.xdist_group("compiled")

ROOT = Path(__file__).parents[3]


def framework(name: str, version: str, **more: Any) -> dict[str, Any]:
    """A specification of another framework."""
    described = {**FRAMEWORK["framework"], "name": name, "version": version, **more}
    machines = {"instance_type": "ml.g4dn.xlarge" if name == "huggingface" else "ml.m5.large"}
    return {**FRAMEWORK, "name": f"of_{name}", "framework": without(None, described), "training": machines}


def without(value: object, spec: dict[str, Any]) -> dict[str, Any]:
    """A mapping without the keys of a value."""
    return {key: item for key, item in spec.items() if item is not value}


TUNING = {
    "objective": {"metric": "accuracy", "regex": "accuracy=([0-9.]+)"},
    "max_jobs": 6,
    "parallel_jobs": 2,
    "ranges": {
        "max_depth": {"minimum": 2, "maximum": 16, "scaling": "Linear"},
        "rate": {"minimum": 0.1, "maximum": 1},
        "target": {"values": ["Species", "Sepal"]},
    },
}
TUNED = {**FRAMEWORK, "name": "tuned", "tuning": TUNING}
SURROUNDED: dict[str, Any] = {
    **OWN,
    "name": "surrounded",
    "training": {
        "max_runtime_seconds": 600,
        "spot": {"max_wait_seconds": 900},
        "metrics": {"loss": "loss=([0-9.]+)"},
        "input_mode": "FastFile",
    },
    "transform": {"instance_type": "ml.c5.xlarge", "split_type": "Line", "assemble_with": "Line", "max_payload_mb": 1},
    "cache": {"expire_after": "P30D"},
    "retry": {"max_attempts": 4, "interval_seconds": 5},
    "network": {
        "subnets": ["subnet-0a"],
        "security_group_ids": ["sg-0b"],
        "isolation": True,
        "encrypt_traffic": True,
    },
    "encryption": {"volume_key": "alias/volumes", "output_key": "alias/outputs"},
    "tags": {"team": "vision", "cost": "7"},
}
HUB: dict[str, Any] = {
    **without(UNTRAINED["image"], without(UNTRAINED["artifact"], UNTRAINED)),
    "name": "hub",
    "framework": {"name": "huggingface", "version": "1.13.1", "py_version": "py39", "transformers_version": "4.26.0"},
    "deploy": {"mode": "serverless", "environment": {"HF_MODEL_ID": "some/model", "HF_TASK": "fill-mask"}},
}
BATCH: dict[str, Any] = {
    **{key: UNTRAINED[key] for key in ("title", "trainable", "image", "artifact")},
    "name": "batched",
    "inferable": False,
    "batch": True,
    "transform": {"content_type": "image/png"},
}
CHAIN: dict[str, Any] = {
    "name": "chained",
    "title": "Find, then read",
    "trainable": False,
    "inferable": False,
    "chain": {"detect": {"algorithm": "own", "margin": 0.1}, "read": {"algorithm": "framework"}},
}
COMMIT = "0123456789abcdef0123456789abcdef01234567"
APART: dict[str, Any] = {
    **FRAMEWORK,
    "name": "apart",
    "framework": {
        "name": "pytorch",
        "version": "2.5.1",
        "py_version": "py311",
        "entry_point": "train.py",
        "source_dir": "models/small",
        # Nobody answers there: a commit is compiled without asking.
        "git": {"repo": "https://git.example.test/models.git", "branch": "main", "commit": COMMIT},
        "inference": {
            "name": "mxnet",
            "version": "1.9.0",
            "py_version": "py38",
            "entry_point": "inference.py",
            "source_dir": "source",
        },
    },
}


SPECS = [
    OWN,
    FRAMEWORK,
    UNTRAINED,
    {**OWN, "name": "manual", "register": {"group": "manual", "approval": "manual"}},
    {**OWN, "name": "lowest", "evaluation": {"metric": "rmse", "threshold": 2, "goal": "minimize"}},
    {
        **{key: value for key, value in OWN.items() if key not in {"processing", "evaluation"}},
        "name": "folders",
        "channels": {"images": {}, "labels": {}, "weights": {"required": False}},
        "image": {"training": {"build": "container"}, "inference": {"build": "model"}},
        "trigger": {},
    },
    framework("xgboost", "1.7-1"),
    framework("pytorch", "2.5.1", py_version="py311"),
    {
        **framework("pytorch", "2.5.1", py_version="py311"),
        "name": "on_graphics",
        "training": {"instance_type": "ml.g4dn.xlarge"},
    },
    framework("tensorflow", "2.16", py_version="py310"),
    framework("huggingface", "2.3.0", py_version="py311", transformers_version="4.48.0"),
    framework("mxnet", "1.9.0", py_version="py38"),
    framework("chainer", "5.0.0"),
    framework(
        *("rl", "1.6.0"),
        py_version="py37",
        toolkit={"name": "ray"},
        inference_entry_point=None,
        inference={"name": "tensorflow", "version": "2.16"},
    ),
    {**HUB, "name": "of_sparkml", "framework": {"name": "sparkml", "version": "3.3"}, "artifact": "model"},
    {**UNTRAINED, "name": "on_request", "trigger": {"on": "request"}},
    *(TUNED, SURROUNDED, HUB, BATCH, CHAIN, APART),
]
DEFINED = [spec["name"] for spec in SPECS if "chain" not in spec]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> dict[str, CompiledPipeline]:
    folder = tmp_path_factory.mktemp("catalogue")
    algorithms = load_catalogue(write_catalogue(folder, *SPECS)).checked()
    made = compile_algorithms(algorithms, Environment(), cache)
    return {pipeline.name: pipeline for pipeline in made}


def definition_of(pipeline: CompiledPipeline) -> dict[str, Any]:
    assert pipeline.definition is not None
    definition: dict[str, Any] = json.loads(pipeline.definition)
    return definition


def step(pipeline: CompiledPipeline, name: str) -> dict[str, Any]:
    return next(item for item in steps_of(definition_of(pipeline)) if item["Name"] == name)


@pytest.mark.parametrize("name", DEFINED)
def test_sagemaker_would_accept_every_step(compiled: dict[str, CompiledPipeline], name: str) -> None:
    assert argument_problems(definition_of(compiled[name])) == []


def test_an_own_image_runs_its_three_commands(compiled: dict[str, CompiledPipeline]) -> None:
    own = compiled["own"]
    assert own.steps == ("Process", "Train", "Evaluate", "CheckQuality", "Register", "Deploy")
    process = step(own, "Process")["Arguments"]["AppSpecification"]
    assert process["ContainerEntrypoint"] == ["processing"]
    # One argument: a value that begins with dashes is still a value.
    target = {"Std:Join": {"On": "", "Values": ["--target=", {"Get": "Parameters.target"}]}}
    assert process["ContainerArguments"][:2] == ["process", target]
    assert step(own, "Evaluate")["Arguments"]["AppSpecification"]["ContainerArguments"][0] == "evaluate"
    assert process["ImageUri"] == "000000000000.dkr.ecr.us-east-1.amazonaws.com/headrace/own:latest"
    assert own.uploads == ()


def test_every_hyperparameter_is_a_typed_parameter(compiled: dict[str, CompiledPipeline]) -> None:
    parameters = {item["Name"]: item for item in definition_of(compiled["own"])["Parameters"]}
    assert list(parameters) == [
        *("JobId", "InputUri", "target", "max_depth", "rate"),
        *("TrainingInstanceType", "TrainingInstanceCount", "ProcessingInstanceType"),
    ]
    assert {name: (item["Type"], item.get("DefaultValue")) for name, item in parameters.items()} == {
        "JobId": ("String", None),
        "InputUri": ("String", None),
        "target": ("String", "Species"),
        "max_depth": ("Integer", 4),
        "rate": ("Float", 1.0),
        "TrainingInstanceType": ("String", "ml.m5.large"),
        "TrainingInstanceCount": ("Integer", 1),
        "ProcessingInstanceType": ("String", "ml.m5.large"),
    }
    assert set(step(compiled["own"], "Train")["Arguments"]["HyperParameters"]) == {"target", "max_depth", "rate"}


def test_a_run_writes_below_its_own_job_id(compiled: dict[str, CompiledPipeline]) -> None:
    artifacts = "s3://headrace-dev-artifacts-000000000000-us-east-1/runs"
    (train, test) = step(compiled["own"], "Process")["Arguments"]["ProcessingOutputConfig"]["Outputs"]
    assert train["S3Output"]["S3Uri"] == {
        "Std:Join": {"On": "/", "Values": [artifacts, {"Get": "Parameters.JobId"}, "train"]}
    }
    assert test["S3Output"]["LocalPath"] == "/opt/ml/processing/output/test"
    model = step(compiled["own"], "Train")["Arguments"]["OutputDataConfig"]["S3OutputPath"]
    assert model["Std:Join"]["Values"][-1] == "model"


def test_a_framework_runs_the_uploaded_scripts(compiled: dict[str, CompiledPipeline]) -> None:
    pipeline = compiled["framework"]
    keys = [upload.key for upload in pipeline.uploads]
    folder = keys[0].removesuffix("sourcedir.tar.gz")
    assert keys[1:] == [f"{folder}files/{name}.py" for name in ("evaluate", "inference", "process", "train")]
    process = step(pipeline, "Process")["Arguments"]
    assert process["AppSpecification"]["ContainerEntrypoint"] == [
        "python3",
        "/opt/ml/processing/input/code/process.py",
    ]
    assert "ContainerArguments" not in process["AppSpecification"]
    code = next(item for item in process["ProcessingInputs"] if item["InputName"] == "code")
    assert code["S3Input"]["S3Uri"].endswith(f"{folder}files/")
    hyperparameters = step(pipeline, "Train")["Arguments"]["HyperParameters"]
    assert hyperparameters["sagemaker_program"] == '"train.py"'
    assert hyperparameters["sagemaker_submit_directory"].endswith(f'{folder}sourcedir.tar.gz"')


def test_a_frameworks_model_is_registered_without_repacking(compiled: dict[str, CompiledPipeline]) -> None:
    pipeline = compiled["of_pytorch"]
    assert pipeline.steps == ("Process", "Train", "Evaluate", "CheckQuality", "Register", "Deploy")
    (container,) = step(pipeline, "Register")["Arguments"]["InferenceSpecification"]["Containers"]
    assert container["ModelDataUrl"] == {"Get": "Steps.Train.ModelArtifacts.S3ModelArtifacts"}
    assert container["Environment"]["SAGEMAKER_PROGRAM"] == "inference.py"
    assert container["Environment"]["SAGEMAKER_SUBMIT_DIRECTORY"].endswith("/sourcedir.tar.gz")
    assert "pytorch-inference" in container["Image"]
    assert "pytorch-training" in step(pipeline, "Train")["Arguments"]["AlgorithmSpecification"]["TrainingImage"]


def test_processing_runs_on_the_image_of_its_own_processor(compiled: dict[str, CompiledPipeline]) -> None:
    pipeline = compiled["on_graphics"]
    assert "-gpu-" in step(pipeline, "Train")["Arguments"]["AlgorithmSpecification"]["TrainingImage"]
    for name in ("Process", "Evaluate"):
        assert ":2.5.1-cpu-" in step(pipeline, name)["Arguments"]["AppSpecification"]["ImageUri"]
    # There is no other one of Hugging Face.
    assert "-gpu-" in step(compiled["of_huggingface"], "Process")["Arguments"]["AppSpecification"]["ImageUri"]


def test_quality_is_checked_before_anything_is_registered(compiled: dict[str, CompiledPipeline]) -> None:
    check = step(compiled["own"], "CheckQuality")["Arguments"]
    (condition,) = check["Conditions"]
    assert condition["Type"] == "GreaterThanOrEqualTo"
    assert condition["LeftValue"]["Std:JsonGet"]["Path"] == "metrics.accuracy.value"
    assert [item["Name"] for item in check["IfSteps"]] == ["Register", "Deploy"]
    (reject,) = check["ElseSteps"]
    assert reject["Arguments"]["ErrorMessage"] == "The model was not registered: accuracy has to be at least 0.8."
    lowest = step(compiled["lowest"], "CheckQuality")["Arguments"]
    assert lowest["Conditions"][0]["Type"] == "LessThanOrEqualTo"
    assert "rmse has to be at most 2" in lowest["ElseSteps"][0]["Arguments"]["ErrorMessage"]


def test_the_deploy_step_gets_everything_its_function_needs(compiled: dict[str, CompiledPipeline]) -> None:
    arguments = step(compiled["untrained"], "Deploy")["Arguments"]
    assert json.loads(arguments.pop("deploy"))["max_concurrent_invocations"] == 4
    assert arguments == {
        "job_id": {"Get": "Parameters.JobId"},
        "algorithm": "untrained",
        "model_package_arn": {"Get": "Steps.Register.ModelPackageArn"},
        "endpoint": "headrace-dev-untrained",
    }


def test_what_is_not_trained_is_registered_from_its_archive(compiled: dict[str, CompiledPipeline]) -> None:
    pipeline = compiled["untrained"]
    assert pipeline.steps == ("Register", "Deploy")
    (upload,) = pipeline.uploads
    container = step(pipeline, "Register")["Arguments"]["InferenceSpecification"]["Containers"][0]
    assert container["ModelDataUrl"].endswith(upload.key)
    assert pipeline.deployment_job_id is not None
    assert compiled["own"].deployment_job_id is None


def test_a_model_that_a_person_approves_is_not_deployed(compiled: dict[str, CompiledPipeline]) -> None:
    assert compiled["manual"].steps[-1] == "Register"
    assert step(compiled["manual"], "Register")["Arguments"]["ModelApprovalStatus"] == "PendingManualApproval"


def test_channels_without_processing_are_folders_of_the_upload(compiled: dict[str, CompiledPipeline]) -> None:
    pipeline = compiled["folders"]
    assert pipeline.steps == ("Train", "Register", "Deploy")
    channels = step(pipeline, "Train")["Arguments"]["InputDataConfig"]
    assert [item["ChannelName"] for item in channels] == ["images", "labels"]
    uri = channels[0]["DataSource"]["S3DataSource"]["S3Uri"]
    assert uri == {"Std:Join": {"On": "", "Values": [{"Get": "Parameters.InputUri"}, "images/"]}}


def test_images_apart_have_repositories_apart(compiled: dict[str, CompiledPipeline]) -> None:
    images = dict(compiled["folders"].parameters)
    assert images["training_image"].endswith("/headrace/folders-training:latest")
    assert images["inference_image"].endswith("/headrace/folders-inference:latest")


def test_the_published_algorithm_tells_functions_what_they_need(compiled: dict[str, CompiledPipeline]) -> None:
    published = json.loads(compiled["own"].published)
    assert published["pipeline"] == published["endpoint"] == "headrace-dev-own"
    assert published["steps"] == list(compiled["own"].steps)
    assert published["definition_sha256"] == compiled["own"].definition_sha256
    assert published["trigger"] == {"on": "upload", "pattern": "*.csv"}
    assert published["deploy"]["mode"] == "realtime"
    assert json.loads(compiled["untrained"].published)["labels"] == ["ORIGINAL", "20-30"]


def test_another_process_compiles_to_the_same_bytes(compiled: dict[str, CompiledPipeline], tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from pipelines.catalogue import load_catalogue
from pipelines.compile import compile_algorithms
from pipelines.environment import Environment
folder = Path(sys.argv[1])
for item in compile_algorithms(load_catalogue(folder / "algorithms").checked(), Environment(), folder / "cache"):
    print(item.definition)
"""
    write_catalogue(tmp_path, *SPECS)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "4242", "TZ": "Asia/Tokyo", "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [str(pipeline.definition) for pipeline in compiled.values()]
    assert done.stderr == ""


def test_tuning_stands_in_place_of_training_and_its_best_model_goes_on(compiled: dict[str, CompiledPipeline]) -> None:
    pipeline = compiled["tuned"]
    assert pipeline.steps == ("Process", "Tune", "Evaluate", "CheckQuality", "Register", "Deploy")
    arguments = step(pipeline, "Tune")["Arguments"]
    config = arguments["HyperParameterTuningJobConfig"]
    assert config["ResourceLimits"] == {"MaxNumberOfTrainingJobs": 6, "MaxParallelTrainingJobs": 2}
    assert config["HyperParameterTuningJobObjective"] == {"Type": "Maximize", "MetricName": "accuracy"}
    (integers,) = config["ParameterRanges"]["IntegerParameterRanges"]
    assert integers == {"Name": "max_depth", "MinValue": "2", "MaxValue": "16", "ScalingType": "Linear"}
    # Every value has an end of its own in a framework's hyperparameters: text is JSON there.
    assert config["ParameterRanges"]["CategoricalParameterRanges"][0]["Values"] == ['"Species"', '"Sepal"']
    best = {"Get": "Steps.Tune.TrainingJobSummaries[0].TrainingJobName"}
    for model in (
        step(pipeline, "Evaluate")["Arguments"]["ProcessingInputs"][0]["S3Input"]["S3Uri"],
        step(pipeline, "Register")["Arguments"]["InferenceSpecification"]["Containers"][0]["ModelDataUrl"],
    ):
        assert model["Std:Join"]["Values"][1:] == [{"Get": "Parameters.JobId"}, "model", best, "output/model.tar.gz"]


def test_nobody_gives_what_tuning_chooses(compiled: dict[str, CompiledPipeline]) -> None:
    parameters = [item["Name"] for item in definition_of(compiled["tuned"])["Parameters"]]
    assert parameters == [
        *("JobId", "InputUri", "TrainingInstanceType", "TrainingInstanceCount", "ProcessingInstanceType")
    ]
    assert json.loads(compiled["tuned"].published)["hyperparameters"] == {}


def test_every_job_has_the_network_the_keys_and_the_tags(compiled: dict[str, CompiledPipeline]) -> None:
    tags = [{"Key": "cost", "Value": "7"}, {"Key": "team", "Value": "vision"}]
    network = {"Subnets": ["subnet-0a"], "SecurityGroupIds": ["sg-0b"]}
    jobs = {name: step(compiled["surrounded"], name)["Arguments"] for name in ("Process", "Train", "Evaluate")}
    jobs |= {name: step(compiled["surrounded"], name)["Arguments"] for name in ("CreateModel", "Transform")}
    assert [jobs[name]["Tags"] for name in jobs] == [tags] * 5
    assert jobs["Process"]["NetworkConfig"] == jobs["Evaluate"]["NetworkConfig"]
    assert jobs["Process"]["NetworkConfig"] == {
        "EnableInterContainerTrafficEncryption": True,
        "EnableNetworkIsolation": True,
        "VpcConfig": network,
    }
    assert jobs["Train"]["VpcConfig"] == jobs["CreateModel"]["VpcConfig"] == network
    assert jobs["Train"]["EnableNetworkIsolation"] is jobs["CreateModel"]["EnableNetworkIsolation"] is True
    volumes = [
        jobs["Process"]["ProcessingResources"]["ClusterConfig"],
        jobs["Train"]["ResourceConfig"],
        jobs["Transform"]["TransformResources"],
    ]
    assert [volume["VolumeKmsKeyId"] for volume in volumes] == ["alias/volumes"] * 3
    outputs = [jobs["Process"]["ProcessingOutputConfig"], jobs["Train"]["OutputDataConfig"]]
    outputs.append(jobs["Transform"]["TransformOutput"])
    assert [output["KmsKeyId"] for output in outputs] == ["alias/outputs"] * 3
    endpoint = json.loads(step(compiled["surrounded"], "Deploy")["Arguments"]["deploy"])
    assert endpoint["network"]["subnets"] == ["subnet-0a"]
    assert endpoint["encryption"] == {"volume_key": "alias/volumes", "output_key": "alias/outputs"}
    assert endpoint["tags"] == {"team": "vision", "cost": "7"}
    assert compiled["surrounded"].tags == (("cost", "7"), ("team", "vision"))


def test_jobs_are_cached_and_tried_again_where_the_file_says_so(compiled: dict[str, CompiledPipeline]) -> None:
    pace = {"BackoffRate": 2.0, "IntervalSeconds": 5, "MaxAttempts": 4}
    call = {"ExceptionType": ["Step.SERVICE_FAULT", "Step.THROTTLING"], **pace}
    job = {"ExceptionType": ["SageMaker.JOB_INTERNAL_ERROR", "SageMaker.CAPACITY_ERROR"], **pace}
    room = {
        "BackoffRate": 1.0,
        "ExceptionType": ["SageMaker.RESOURCE_LIMIT"],
        "IntervalSeconds": 180,
        "MaxAttempts": 20,
    }
    for name in ("Process", "Train", "Evaluate", "Transform"):
        made = step(compiled["surrounded"], name)
        assert made["CacheConfig"] == {"Enabled": True, "ExpireAfter": "P30D"}
        assert made["RetryPolicies"] == [call, job, room]
        # Whether asked for or not, a job waits for its turn where the account has no more instances.
        assert name == "Transform" or step(compiled["own"], name)["RetryPolicies"] == [room]
        assert "CacheConfig" not in step(compiled["own"], name) if name != "Transform" else True
    for name in ("Register", "CreateModel"):
        assert step(compiled["surrounded"], name)["RetryPolicies"] == [call]


def test_spare_capacity_goes_on_from_checkpoints(compiled: dict[str, CompiledPipeline]) -> None:
    train = step(compiled["surrounded"], "Train")["Arguments"]
    assert train["EnableManagedSpotTraining"] is True
    assert train["StoppingCondition"] == {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 900}
    assert train["CheckpointConfig"]["S3Uri"]["Std:Join"]["Values"][-1] == "checkpoints"
    assert train["AlgorithmSpecification"]["MetricDefinitions"] == [{"Name": "loss", "Regex": "loss=([0-9.]+)"}]
    assert train["AlgorithmSpecification"]["TrainingInputMode"] == "FastFile"


def test_a_trained_model_answers_its_test_data_before_it_is_deployed(compiled: dict[str, CompiledPipeline]) -> None:
    pipeline = compiled["surrounded"]
    assert pipeline.steps[-4:] == ("Register", "CreateModel", "Transform", "Deploy")
    transform = step(pipeline, "Transform")["Arguments"]
    assert transform["ModelName"] == {"Get": "Steps.CreateModel.ModelName"}
    uri = transform["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
    assert uri == {"Get": "Steps.Process.ProcessingOutputConfig.Outputs['test'].S3Output.S3Uri"}
    assert transform["TransformInput"]["SplitType"] == transform["TransformOutput"]["AssembleWith"] == "Line"
    assert step(pipeline, "Deploy")["DependsOn"] == ["Transform"]
    container = step(pipeline, "CreateModel")["Arguments"]["PrimaryContainer"]
    assert container["ModelDataUrl"] == {"Get": "Steps.Train.ModelArtifacts.S3ModelArtifacts"}


def test_a_batch_alone_answers_what_was_uploaded(compiled: dict[str, CompiledPipeline]) -> None:
    pipeline = compiled["batched"]
    assert pipeline.steps == ("CreateModel", "Transform")
    source = step(pipeline, "Transform")["Arguments"]["TransformInput"]["DataSource"]["S3DataSource"]
    assert source["S3Uri"] == {"Get": "Parameters.InputUri"}
    assert [item["Name"] for item in definition_of(pipeline)["Parameters"]] == [
        *("JobId", "InputUri", "TransformInstanceType", "TransformInstanceCount")
    ]
    assert pipeline.deployment_job_id is None
    assert dict(pipeline.parameters)["inference_image"].endswith("/headrace/batched:latest")


def test_a_model_of_the_hub_has_no_archive(compiled: dict[str, CompiledPipeline]) -> None:
    (container,) = step(compiled["hub"], "Register")["Arguments"]["InferenceSpecification"]["Containers"]
    assert "ModelDataUrl" not in container
    assert container["Environment"] == {"HF_MODEL_ID": "some/model", "HF_TASK": "fill-mask"}
    assert "huggingface-pytorch-inference:1.13.1-transformers4.26.0-cpu-py39" in container["Image"]
    assert compiled["hub"].uploads == ()


def test_a_commit_is_compiled_without_being_fetched(compiled: dict[str, CompiledPipeline]) -> None:
    pipeline = compiled["apart"]
    training, serving = pipeline.uploads
    assert training.origin is not None
    assert not training.path.exists()
    train = step(pipeline, "Train")["Arguments"]["HyperParameters"]
    assert train["sagemaker_submit_directory"].endswith(f'/{training.key}"')
    process = step(pipeline, "Process")["Arguments"]
    assert process["AppSpecification"]["ContainerEntrypoint"][-1] == "/opt/ml/processing/code/process.py"
    (container,) = step(pipeline, "Register")["Arguments"]["InferenceSpecification"]["Containers"]
    assert "mxnet-inference:1.9.0" in container["Image"]
    packed = {
        one["InputName"]: one["S3Input"]["S3Uri"] for one in step(pipeline, "Package")["Arguments"]["ProcessingInputs"]
    }
    assert packed["serving"].endswith(f"/{serving.key}")


def test_processing_unpacks_the_archive_of_a_repository(compiled: dict[str, CompiledPipeline], tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "process.py").write_text("import sys\nprint(sys.argv[1:])\n")
    code = tmp_path / "ml" / "processing" / "input" / "code"
    code.mkdir(parents=True)
    (code / "sourcedir.tar.gz").write_bytes(pack(tmp_path / "source"))
    words = step(compiled["apart"], "Process")["Arguments"]["AppSpecification"]["ContainerEntrypoint"]
    placed = [word.replace("/opt/ml", str(tmp_path / "ml"), 1) for word in words]
    done = subprocess.run([*placed, "--target=a b", "x"], capture_output=True, text=True, check=True)
    assert done.stdout == "['--target=a b', 'x']\n"


def test_a_chain_is_published_without_a_pipeline(compiled: dict[str, CompiledPipeline]) -> None:
    chained = compiled["chained"]
    assert (chained.definition, chained.pipeline_name, chained.deployment_job_id) == (None, None, None)
    assert (chained.steps, chained.uploads, chained.parameters) == ((), (), ())
    published = json.loads(chained.published)
    assert published["pipeline"] is None
    assert published["chain"] == {
        "detect": {"algorithm": "own", "min_confidence": 0.25, "margin": 0.1},
        "read": {"algorithm": "framework"},
        "max_crops": 20,
    }


def test_functions_find_the_groups_an_algorithm_registers_to(compiled: dict[str, CompiledPipeline]) -> None:
    assert dict(compiled["own"].parameters)["industrialmodels"] == '["headrace-dev-own"]'
    assert "industrialmodels" not in dict(compiled["batched"].parameters)


def test_an_unchanged_algorithm_is_not_compiled_again(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue, empty = write_catalogue(tmp_path, OWN, UNTRAINED), tmp_path / "cache"
    made_before = cache / "definitions"

    def of_the_sdk(requests: Sequence[Request]) -> list[Any]:
        return [json.loads(str(text)) for text in definitions(requests, made_before, silent)] if requests else []

    monkeypatch.setattr(exchange, "definitions", of_the_sdk)

    def compile_again() -> tuple[tuple[CompiledPipeline, ...], list[str]]:
        said: list[str] = []
        return compile_algorithms(load_catalogue(catalogue).checked(), Environment(), empty, progress=said.append), said

    made, said = compile_again()
    assert said == ["compiling own, untrained", "compiled own", "compiled untrained"]
    assert compile_again() == (made, [])
    write_algorithm(catalogue, SIZED)
    assert compile_again()[1] == ["compiling own", "compiled own"]
    for place in (empty / "definitions").iterdir():
        place.write_text('{"cut')
    write_algorithm(catalogue, OWN)
    assert compile_again()[0] == made


def test_a_definition_is_compiled_anew_when_the_compiler_changes_and_not_when_publishing_does(tmp_path: Path) -> None:
    package = tmp_path / "pipelines"
    shutil.copytree(ROOT / "pipelines", package, ignore=shutil.ignore_patterns("__pycache__"))
    before = source_sha256(package, "2.257.0")
    for module in sorted(package.rglob("*.py")):
        content = module.read_bytes()
        module.write_bytes(content + b"\n")
        name = module.relative_to(package).as_posix()
        assert (source_sha256(package, "2.257.0") == before) == name.startswith("publishing/"), name
        module.write_bytes(content)
    assert source_sha256(package, "2.257.0") == before
    assert source_sha256(package, "2.258.0") != before
    # Not every name with the word in it is about what becomes of a definition.
    (package / "publishable.py").touch()
    assert source_sha256(package, "2.257.0") != before


def test_compiling_leaves_no_sdk_in_this_process(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from pipelines.catalogue import load_catalogue
from pipelines.compile import compile_algorithms
from pipelines.environment import Environment
import pipelines.publishing.catalogue, pipelines.goldens
folder = Path(sys.argv[1])
compile_algorithms(load_catalogue(folder / "algorithms").checked(), Environment(), folder / "cache")
sys.exit("sagemaker" in sys.modules or "boto3" in sys.modules)
"""
    write_catalogue(tmp_path, UNTRAINED)
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, check=False)
    assert done.returncode == 0


def test_the_account_and_region_are_where_it_is_published(tmp_path: Path, cache: Path) -> None:
    catalogue = write_catalogue(tmp_path, OWN, FRAMEWORK)
    for pipeline in compile_algorithms(load_catalogue(catalogue).checked(), CHINA, cache):
        assert pipeline.definition is not None
        assert "arn:aws:" not in pipeline.definition
        assert "arn:aws-cn:" in pipeline.definition
        assert "amazonaws.com.cn" in pipeline.definition
        assert argument_problems(definition_of(pipeline)) == []


def test_what_is_deployed_on_request_is_not_deployed_by_publishing(compiled: dict[str, CompiledPipeline]) -> None:
    assert compiled["on_request"].deployment_job_id is None
    assert compiled["on_request"].steps == ("Register", "Deploy")


def test_an_image_named_by_a_parameter_needs_its_value(tmp_path: Path, cache: Path) -> None:
    catalogue = write_catalogue(tmp_path, NAMED)
    (algorithm,) = load_catalogue(catalogue).checked()
    with pytest.raises(CompileError, match="expected a value of /images/own"):
        compile_algorithms([algorithm], Environment(), cache)
    (made,) = compile_algorithms([algorithm], Environment(), cache, image_values=IMAGES)
    assert dict(made.parameters)["training_image"] == "example.test/own:1"


def test_renaming_a_step_renames_its_references_and_nothing_else() -> None:
    definition = {
        "Steps": [
            {"Name": "Old", "DependsOn": ["Old", "Older"], "Arguments": {"Name": "kept", "Text": "Steps.Old.X"}},
            {"Name": "Older", "Arguments": {"A": {"Get": "Steps.Old.X"}, "B": {"Get": "Steps.Older.X"}}},
        ]
    }
    assert renamed(definition, "Old", "New") == {
        "Steps": [
            {"Name": "New", "DependsOn": ["New", "Older"], "Arguments": {"Name": "kept", "Text": "Steps.Old.X"}},
            {"Name": "Older", "Arguments": {"A": {"Get": "Steps.New.X"}, "B": {"Get": "Steps.Older.X"}}},
        ]
    }


def test_a_derived_job_id_is_26_characters_of_crockfords_alphabet() -> None:
    assert derived_job_id("a", "b") == derived_job_id("a", "b") != derived_job_id("ab", "")
    assert len(derived_job_id("a")) == 26
    assert derived_job_id("a")[0] in "01234567"


def test_validation_finds_what_aws_would_refuse() -> None:
    definition = {
        "Parameters": [{"Name": "Count", "Type": "Integer"}],
        "Steps": [
            {
                "Name": "Train",
                "Type": "Training",
                "Arguments": {"ResourceConfig": {"InstanceCount": {"Get": "Parameters.Cuont"}}, "Rolle": "x"},
            },
            {"Name": "Deploy", "Type": "Lambda", "Arguments": {"x": {"Get": "Steps.Register.Arn"}}},
        ],
    }
    found = "\n".join(argument_problems(definition))
    assert 'Unknown parameter in input: "Rolle"' in found
    assert 'Missing required parameter in input: "RoleArn"' in found
    assert "expected a parameter of the pipeline, found Parameters.Cuont" in found
    assert "expected a step of the pipeline, found Steps.Register.Arn" in found


def test_compiling_cannot_reach_a_network() -> None:
    program = """
import socket, warnings
warnings.simplefilter("ignore")
from pipelines.definition.worker import close_network
close_network()
from pipelines.definition.session import OfflineSession
from pipelines.environment import Environment
from pipelines.problems import CompileError
from pipelines.folders import pack
session = OfflineSession(Environment())
for call in (session.sagemaker_client.list_pipelines, session.boto_session.client("sts").get_caller_identity):
    try:
        call()
    except CompileError as error:
        print(error)
for call in (lambda: socket.create_connection(("127.0.0.1", 9)), lambda: socket.getaddrinfo("example.test", 443)):
    try:
        call()
    except ConnectionError as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "AWS_EC2_METADATA_DISABLED": "true", "SAGEMAKER_SUPPRESS_V2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    refusals = [line for line in done.stdout.splitlines() if not line.startswith("sagemaker.config")]
    assert [line.rpartition(":")[0].split(" while")[0] for line in refusals[:2]] == ["the SDK tried to call AWS"] * 2
    assert refusals[2:] == ["compiling needs no network, and may not use one"] * 2
