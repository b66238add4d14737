"""Specifications become definitions: the right steps, the same bytes, no network, and nothing twice."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipelines.catalogue import load_catalogue
from pipelines.compile import compile_algorithms, compile_catalogue
from pipelines.compiled import CompiledPipeline, derived_job_id, renamed, steps_of
from pipelines.environment import Environment
from pipelines.problems import CompileError
from pipelines.validation import argument_problems
from tests.unit.pipelines.catalogues import FRAMEWORK, OWN, UNTRAINED, write_algorithm, write_catalogue

ROOT = Path(__file__).parents[3]


def framework(name: str, version: str, **more: Any) -> dict[str, Any]:
    """A specification of another framework."""
    described = {**FRAMEWORK["framework"], "name": name, "version": version, **more}
    machines = {"instance_type": "ml.g4dn.xlarge"}
    return {**FRAMEWORK, "name": f"of_{name}", "framework": described, "training": machines}


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
    framework("tensorflow", "2.16", py_version="py310"),
    framework("huggingface", "2.3.0", py_version="py311", transformers_version="4.48.0"),
    framework("mxnet", "1.9.0", py_version="py38"),
]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, CompiledPipeline]:
    folder = tmp_path_factory.mktemp("catalogue")
    made = compile_catalogue(write_catalogue(folder, *SPECS), Environment(), folder / "cache")
    return {pipeline.name: pipeline for pipeline in made}


def step(pipeline: CompiledPipeline, name: str) -> dict[str, Any]:
    return next(item for item in steps_of(json.loads(pipeline.definition)) if item["Name"] == name)


@pytest.mark.parametrize("name", [spec["name"] for spec in SPECS])
def test_sagemaker_would_accept_every_step(compiled: dict[str, CompiledPipeline], name: str) -> None:
    assert argument_problems(json.loads(compiled[name].definition)) == []


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
    parameters = {item["Name"]: item for item in json.loads(compiled["own"].definition)["Parameters"]}
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


@pytest.mark.parametrize("seed", ["0", "4242"])
def test_another_process_compiles_to_the_same_bytes(
    compiled: dict[str, CompiledPipeline], tmp_path: Path, seed: str
) -> None:
    program = """
import sys
from pathlib import Path
from pipelines.compile import compile_catalogue
from pipelines.environment import Environment
folder = Path(sys.argv[1])
for item in compile_catalogue(folder / "algorithms", Environment(), folder / "cache"):
    print(item.definition)
"""
    write_catalogue(tmp_path, OWN, FRAMEWORK, UNTRAINED)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": seed, "TZ": "Asia/Tokyo", "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [compiled[name].definition for name in ("framework", "own", "untrained")]
    assert done.stderr == ""


def test_an_unchanged_algorithm_is_not_compiled_again(tmp_path: Path) -> None:
    catalogue, cache = write_catalogue(tmp_path, OWN, UNTRAINED), tmp_path / "cache"

    def compile_again() -> tuple[tuple[CompiledPipeline, ...], list[str]]:
        said: list[str] = []
        return compile_catalogue(catalogue, Environment(), cache, progress=said.append), said

    made, said = compile_again()
    assert said == ["compiling own, untrained", "compiled own", "compiled untrained"]
    assert compile_again() == (made, [])
    write_algorithm(catalogue, {**OWN, "training": {"volume_gb": 11}})
    assert compile_again()[1] == ["compiling own", "compiled own"]
    for place in (cache / "definitions").iterdir():
        place.write_text('{"cut')
    write_algorithm(catalogue, OWN)
    assert compile_again()[0] == made


def test_compiling_leaves_no_sdk_in_this_process(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from pipelines.compile import compile_catalogue
from pipelines.environment import Environment
import pipelines.publish, pipelines.goldens
folder = Path(sys.argv[1])
compile_catalogue(folder / "algorithms", Environment(), folder / "cache")
sys.exit("sagemaker" in sys.modules or "boto3" in sys.modules)
"""
    write_catalogue(tmp_path, UNTRAINED)
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, check=False)
    assert done.returncode == 0


def test_the_account_and_region_are_where_it_is_published(tmp_path: Path) -> None:
    china = Environment(stage="prod", account="123456789012", region="cn-north-1")
    catalogue = write_catalogue(tmp_path, OWN, FRAMEWORK)
    for pipeline in compile_catalogue(catalogue, china, tmp_path / "cache"):
        assert "arn:aws:" not in pipeline.definition
        assert "arn:aws-cn:" in pipeline.definition
        assert "amazonaws.com.cn" in pipeline.definition
        assert argument_problems(json.loads(pipeline.definition)) == []


def test_a_version_the_framework_does_not_have_is_told(tmp_path: Path) -> None:
    catalogue = write_catalogue(tmp_path, framework("sklearn", "9.9-9"))
    with pytest.raises(CompileError, match=r"^of_sklearn: framework: Unsupported sklearn version: 9\.9-9"):
        compile_catalogue(catalogue, Environment(), tmp_path / "cache")


def test_an_image_named_by_a_parameter_needs_its_value(tmp_path: Path) -> None:
    catalogue = write_catalogue(tmp_path, {**OWN, "image": {"ssm": "/images/own"}})
    (algorithm,) = load_catalogue(catalogue).checked()
    with pytest.raises(CompileError, match="expected a value of /images/own"):
        compile_algorithms([algorithm], Environment(), tmp_path / "cache")
    (made,) = compile_algorithms(
        [algorithm], Environment(), tmp_path / "cache", image_values={"/images/own": "example.test/own:1"}
    )
    assert dict(made.parameters)["training_image"] == "example.test/own:1"


def test_sources_of_a_repository_are_pinned_to_the_commit_found(tmp_path: Path) -> None:
    repository, catalogue = tmp_path / "repository", tmp_path / "algorithms"
    folder = write_algorithm(catalogue, FRAMEWORK)
    (folder / "source").rename(repository)
    for command in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", "x"]):
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.test"]
        subprocess.run(["git", *identity, *command], cwd=repository, check=True)
    git = {"repo": str(repository), "branch": "main"}
    write_algorithm(catalogue, {**FRAMEWORK, "framework": {**FRAMEWORK["framework"], "source_dir": ".", "git": git}})
    (made,) = compile_catalogue(catalogue, Environment(), tmp_path / "cache")
    assert sorted(upload.key.rpartition("/")[2] for upload in made.uploads) == [
        *("evaluate.py", "inference.py", "process.py", "sourcedir.tar.gz", "train.py")
    ]
    gone = {"repo": str(repository), "branch": "gone"}
    write_algorithm(catalogue, {**FRAMEWORK, "framework": {**FRAMEWORK["framework"], "source_dir": ".", "git": gone}})
    with pytest.raises(CompileError, match="expected revision gone"):
        compile_catalogue(catalogue, Environment(), tmp_path / "cache")


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
from pipelines.worker import close_network
close_network()
from pipelines.definition import OfflineSession
from pipelines.environment import Environment
from pipelines.problems import CompileError
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
