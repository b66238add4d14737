"""cicd/torchserve agrees with itself: the template with the build that it runs, the image with who runs it, and the
build's own commands with what they should do, executed with stand-ins for `aws` and `docker`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import yaml
from botocore.validate import validate_parameters
from samtranslator.yaml_helper import yaml_parse

from pipelines.catalogue import load_catalogue
from tests.agreement.template import ROOT, Template, as_list, walk

FOLDER = ROOT / "cicd" / "torchserve"
DOCUMENT = yaml_parse((FOLDER / "pipeline.yaml").read_text())
FILLED_IN = {
    **Template(DOCUMENT).pseudo,
    "AWS::StackName": "models",
    "ModelName": "churn",
    "SourceRepository": "team/models",
    "ConnectionArn": "<connection>",
}
PIPELINE = Template(DOCUMENT, FILLED_IN)
CHINA = {"AWS::Partition": "aws-cn", "AWS::Region": "cn-north-1", "AWS::URLSuffix": "amazonaws.com.cn"}
IN_CHINA = Template(DOCUMENT, {**FILLED_IN, **CHINA})
BUILDSPEC = yaml.safe_load((FOLDER / "buildspec.yml").read_text())

# https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-env-vars.html
OF_CODEBUILD = {"AWS_DEFAULT_REGION", "CODEBUILD_SRC_DIR", "CODEBUILD_BUILD_SUCCEEDING"}


def manifest(kind: str) -> Any:
    """A Kubernetes object; a file is named after its kind."""
    return yaml.safe_load((FOLDER / "kubernetes" / f"{kind.lower()}.yaml").read_text())


def properties() -> dict[str, str]:
    lines = (FOLDER / "config.properties").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def actions() -> dict[str, Any]:
    stages = PIPELINE["Pipeline"].properties["Stages"]
    return {action["Name"]: action for stage in stages for action in stage["Actions"]}


# ---- the template ----------------------------------------------------------------------------------------------------


def test_cfn_lint_has_nothing_to_say_in_any_partition() -> None:
    command = [str(Path(sys.executable).with_name("cfn-lint")), "cicd/torchserve/pipeline.yaml"]
    command += ["--regions", "us-east-1", "cn-north-1", "us-gov-west-1"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")


def statements() -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, one in PIPELINE.all_resources().items():
        documents = [policy["PolicyDocument"] for policy in one.properties.get("Policies", ())]
        if one.type == "AWS::IAM::RolePolicy":
            documents.append(one.properties["PolicyDocument"])
        for document in documents:
            for statement in document["Statement"]:
                # A statement with a condition: what stands where it holds.
                yield name, statement.get("Fn::If", [None, statement])[1]


def test_no_role_may_do_more_than_named_actions_on_named_resources() -> None:
    seen = set()
    for name, statement in statements():
        seen.add(name)
        assert statement["Effect"] == "Allow"
        assert [action for action in as_list(statement["Action"]) if "*" in action] == []
        resources = PIPELINE.text(as_list(statement["Resource"]))
        if "*" in resources:
            assert as_list(statement["Action"]) == ["ecr:GetAuthorizationToken"]
    assert seen == {"NewModelRole", "PipelinePolicy", "BuildRole"}


def test_nobody_outside_the_account_has_a_role_taken_for_them() -> None:
    for role in PIPELINE.resources("AWS::IAM::Role").values():
        (statement,) = role.properties["AssumeRolePolicyDocument"]["Statement"]
        assert PIPELINE.text(statement["Condition"]) == {"StringEquals": {"aws:SourceAccount": "000000000000"}}


def test_partition_and_domain_are_never_written_out() -> None:
    words = [str(one) for one in walk(IN_CHINA.text(IN_CHINA.document["Resources"]))]
    assert [one for one in words if "arn:aws:" in one] == []
    assert {one for one in words if "amazonaws.com" in one} == {
        "events.amazonaws.com", "codepipeline.amazonaws.com", "codebuild.amazonaws.com", "amazonaws.com.cn",
    }  # fmt: skip


def test_models_are_kept_by_version_and_everything_is_encrypted_and_kept_from_the_public() -> None:
    buckets = PIPELINE.resources("AWS::S3::Bucket")
    assert buckets["ModelsBucket"].properties["VersioningConfiguration"] == {"Status": "Enabled"}
    for bucket in buckets.values():
        assert all(bucket.properties["PublicAccessBlockConfiguration"].values())
        assert bucket.properties["BucketEncryption"]
        assert bucket.body["DeletionPolicy"] == "RetainExceptOnCreate"
    tls = [one.properties["PolicyDocument"] for one in PIPELINE.resources("AWS::S3::BucketPolicy").values()]
    assert [document["Statement"][0]["Sid"] for document in tls] == ["TlsOnly", "TlsOnly"]
    repository = PIPELINE["ImageRepository"].properties
    assert repository["ImageScanningConfiguration"] == {"ScanOnPush": True}
    json.loads(repository["LifecyclePolicy"]["LifecyclePolicyText"])
    assert all("RetentionInDays" in one.properties for one in PIPELINE.resources("AWS::Logs::LogGroup").values())


def test_a_push_to_the_branch_starts_the_pipeline_once() -> None:
    pipeline = PIPELINE["Pipeline"].properties
    assert pipeline["PipelineType"] == "V2"
    (trigger,) = pipeline["Triggers"]
    source = actions()[trigger["GitConfiguration"]["SourceActionName"]]
    assert source["ActionTypeId"]["Provider"] == trigger["ProviderType"]
    (push,) = trigger["GitConfiguration"]["Push"]
    assert PIPELINE.text(push) == {
        "Branches": {"Includes": ["main"]},
        "FilePaths": {"Includes": ["cicd/torchserve/**"]},
    }
    # Two sources of one start: the trigger and the action's own watching.
    assert source["Configuration"]["DetectChanges"] is False


# The documented event of a new object (shortened to what a rule may look at):
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
NEW_OBJECT: dict[str, Any] = {
    "source": "aws.s3",
    "detail-type": "Object Created",
    "detail": {
        "bucket": {"name": "<ModelsBucket>"},
        "object": {"key": "models/churn.mar", "size": 5, "version-id": "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e"},
    },
}


def matches(pattern: Any, event: Any) -> bool:
    if isinstance(pattern, dict):
        return all(key in event and matches(one, event[key]) for key, one in pattern.items())
    return event in pattern


@pytest.mark.parametrize(
    ("change", "starts"),
    [
        ({}, True),
        ({"object": {"key": "models/other.mar", "version-id": "v"}}, False),
        ({"bucket": {"name": "<ArtifactsBucket>"}}, False),
    ],
)
def test_a_new_model_and_nothing_else_matches_the_rule(change: Mapping[str, Any], starts: bool) -> None:
    event = {**NEW_OBJECT, "detail": {**NEW_OBJECT["detail"], **change}}
    assert matches(PIPELINE.text(PIPELINE["NewModelRule"].properties["EventPattern"]), event) is starts


def test_a_new_model_starts_the_pipeline_with_its_own_version() -> None:
    (target,) = PIPELINE["NewModelRule"].properties["Targets"]
    assert PIPELINE.text(target["Arn"]) == "arn:aws:codepipeline:us-east-1:000000000000:<Pipeline>"
    transformer = target["InputTransformer"]
    assert transformer["InputPathsMap"] == {"version": "$.detail.object.version-id"}
    version = "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e"
    # EventBridge puts the quotes around a string that stands alone in a template.
    request = {"name": "pipeline", **json.loads(transformer["InputTemplate"].replace("<version>", json.dumps(version)))}
    operation = (
        botocore.session.get_session().get_service_model("codepipeline").operation_model("StartPipelineExecution")
    )
    assert operation.input_shape is not None
    validate_parameters(request, operation.input_shape)
    (override,) = request["sourceRevisions"]
    action = actions()[override["actionName"]]
    assert action["ActionTypeId"]["Provider"] == "S3"
    assert action["Configuration"]["PollForSourceChanges"] is False
    # The build fetches that version itself: as an artifact the archive, a zip, would be unpacked.
    assert [one["Name"] for one in actions()["Build"]["InputArtifacts"]] == ["Code"]
    (passed,) = json.loads(actions()["Build"]["Configuration"]["EnvironmentVariables"])
    assert passed["value"] == f"#{{{action['Namespace']}.VersionId}}"


def test_every_variable_of_the_build_is_set_and_every_one_set_is_used() -> None:
    commands = "\n".join(command for phase in BUILDSPEC["phases"].values() for command in phase["commands"])
    assigned = set(re.findall(r"(?m)^([A-Z_]+)=", commands))
    used = set(re.findall(r"\$\{?([A-Z_]+)", commands)) - assigned
    assert (used - OF_CODEBUILD) == set(build_variables(PIPELINE))
    assert set(BUILDSPEC["env"]["exported-variables"]) <= assigned
    assert PIPELINE.text(PIPELINE["BuildProject"].properties["Source"]["BuildSpec"]) == "cicd/torchserve/buildspec.yml"


def build_variables(template: Template) -> dict[str, str]:
    """What the project and the pipeline's action set."""
    environment = template["BuildProject"].properties["Environment"]
    assert environment["PrivilegedMode"] is True
    own = {one["Name"]: str(template.text(one["Value"])) for one in environment["EnvironmentVariables"]}
    (passed,) = json.loads(actions()["Build"]["Configuration"]["EnvironmentVariables"])
    return {**own, passed["name"]: "v7"}


# ---- the build -------------------------------------------------------------------------------------------------------

AWS = r"""#!/bin/sh
echo "aws $*" >> "$STANDINS/calls"
case "$1 $2" in
    "s3api get-object") for last; do :; done; cp "$STANDINS/object" "$last" && echo '{}' ;;
    "ecr get-login-password") echo secret ;;
    "ecr describe-images") test -e "$STANDINS/pushed" ;;
    *) exit 64 ;;
esac
"""
DOCKER = r"""#!/bin/sh
echo "docker $*" >> "$STANDINS/calls"
case "$1" in
    login) test "$(cat)" = secret ;;
    build) test -s "model-store/$MODEL_NAME.mar" ;;
    run) echo c0ffee ;;
    inspect) cat "$STANDINS/health" ;;
    pull|tag|push|rm|logs) ;;
    *) exit 64 ;;
esac
"""
# Each command in a shell of its own that takes over variables and folder: CodeBuild promises no more than that.
SHELL = r"""
keep() { declare -p | grep -v '^declare -[a-zA-Z]*r' > "$STANDINS/state"; pwd > "$STANDINS/folder"; }
if [ -e "$STANDINS/state" ]; then . "$STANDINS/state" 2> /dev/null; cd "$(cat "$STANDINS/folder")"; fi
trap keep EXIT
"""


@dataclass(frozen=True, slots=True)
class Build:
    """One run of the buildspec."""

    source: Path
    standins: Path
    succeeded: bool
    said: str

    @property
    def calls(self) -> list[str]:
        return (self.standins / "calls").read_text().splitlines()

    def pushed(self) -> list[str]:
        return [call.removeprefix("docker push ") for call in self.calls if call.startswith("docker push ")]


@dataclass(frozen=True, slots=True)
class Standins:
    """Programs named `aws` and `docker`, and what they answer."""

    folder: Path
    source: Path

    def answer(self, name: str, content: bytes) -> None:
        (self.folder / name).write_bytes(content)

    def build(self, template: Template, **variables: str) -> Build:
        """Run the phases as CodeBuild does: the first failure ends its phase, `post_build` follows on `build`."""
        environment = {
            "PATH": f"{self.folder}{os.pathsep}{os.environ['PATH']}",
            "STANDINS": str(self.folder),
            "CODEBUILD_SRC_DIR": str(self.source),
            "AWS_DEFAULT_REGION": template.pseudo["AWS::Region"],
            **build_variables(template),
            **variables,
        }
        for name in ("state", "folder", "calls"):
            (self.folder / name).unlink(missing_ok=True)
        succeeding, said = True, ""
        for name, phase in BUILDSPEC["phases"].items():
            if not succeeding and name != "post_build":
                break
            for command in phase["commands"]:
                environment["CODEBUILD_BUILD_SUCCEEDING"] = str(int(succeeding))
                ran = subprocess.run(
                    ["bash", "-c", f"{SHELL}\nexport CODEBUILD_BUILD_SUCCEEDING={int(succeeding)}\n{command}"],
                    cwd=self.source,
                    env=environment,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                said += ran.stdout + ran.stderr
                if ran.returncode != 0:
                    succeeding = False
                    break
            if name == "pre_build" and not succeeding:
                break
        return Build(self.source, self.folder, succeeding, said)


@pytest.fixture
def standins(tmp_path: Path) -> Standins:
    folder, source = tmp_path / "bin", tmp_path / "source"
    folder.mkdir()
    for name, program in (("aws", AWS), ("docker", DOCKER)):
        (folder / name).write_text(program)
        (folder / name).chmod(0o755)
    context = source / "cicd" / "torchserve"
    (context / "kubernetes").mkdir(parents=True)
    for file in (*FOLDER.glob("*"), *FOLDER.glob("kubernetes/*")):
        if file.is_file():
            (context / file.relative_to(FOLDER)).write_bytes(file.read_bytes())
    made = Standins(folder, source)
    with zipfile.ZipFile(tmp_path / "made.mar", "w") as archive:
        archive.writestr("MAR-INF/MANIFEST.json", "{}")
    made.answer("object", (tmp_path / "made.mar").read_bytes())
    made.answer("health", b"healthy\n")
    return made


@pytest.mark.parametrize(
    ("template", "registry"),
    [
        (PIPELINE, "000000000000.dkr.ecr.us-east-1.amazonaws.com"),
        (IN_CHINA, "000000000000.dkr.ecr.cn-north-1.amazonaws.com.cn"),
    ],
    ids=["aws", "aws-cn"],
)
def test_the_build_pushes_the_model_under_its_hash_and_as_latest(
    standins: Standins, template: Template, registry: str
) -> None:
    build = standins.build(template)
    assert build.succeeded, build.said
    by_hash, latest = build.pushed()
    assert re.fullmatch(re.escape(f"{registry}/<ImageRepository>:") + "[0-9a-f]{32}", by_hash)
    assert latest == f"{registry}/<ImageRepository>:latest"
    assert f"docker login --username AWS --password-stdin {registry}" in build.calls
    assert (
        "aws s3api get-object --bucket <ModelsBucket> --key models/churn.mar --version-id v7 model-store/churn.mar"
        in build.calls
    )
    (built,) = [call for call in build.calls if call.startswith("docker build")]
    assert "--build-arg MODEL_NAME=churn" in built
    assert "--build-arg BASE_IMAGE=pytorch/torchserve:0.12.0-cpu" in built
    output = build.source / BUILDSPEC["artifacts"]["base-directory"]
    assert json.loads((output / "imagedefinitions.json").read_text()) == [{"name": "churn", "imageUri": by_hash}]
    (image,) = yaml.safe_load((output / "kubernetes" / "kustomization.yaml").read_text())["images"]
    assert f"{image['newName']}:{image['newTag']}" == by_hash
    for resource in manifest("kustomization")["resources"]:
        assert (output / "kubernetes" / resource).read_bytes() == (FOLDER / "kubernetes" / resource).read_bytes()


def test_the_tag_is_of_what_goes_in_and_of_nothing_else(standins: Standins) -> None:
    first = standins.build(PIPELINE).pushed()[0]
    assert standins.build(PIPELINE, MODEL_VERSION_ID="v8").pushed()[0] == first
    assert standins.build(PIPELINE, BASE_IMAGE="mirror/torchserve:0.12.0-cpu").pushed()[0] != first
    (standins.source / "cicd/torchserve/config.properties").write_text("changed\n")
    assert standins.build(PIPELINE).pushed()[0] != first


def test_what_is_in_the_repository_is_not_built_again(standins: Standins) -> None:
    standins.answer("pushed", b"")
    build = standins.build(PIPELINE)
    assert build.succeeded, build.said
    assert not [call for call in build.calls if call.startswith("docker build")]
    assert build.pushed() == ["000000000000.dkr.ecr.us-east-1.amazonaws.com/<ImageRepository>:latest"]


def test_a_model_that_does_not_load_is_pushed_nowhere(standins: Standins) -> None:
    standins.answer("health", b"unhealthy\n")
    build = standins.build(PIPELINE)
    assert not build.succeeded
    assert build.pushed() == []
    assert "expected a container that gets healthy, found one that is unhealthy" in build.said
    assert "docker logs c0ffee" in build.calls


@pytest.mark.parametrize("content", [b"", b"not a zip"])
def test_what_is_no_archive_is_not_built(standins: Standins, content: bytes) -> None:
    standins.answer("object", content)
    build = standins.build(PIPELINE)
    assert not build.succeeded
    assert "s3://<ModelsBucket>/models/churn.mar: expected a model archive (.mar)" in build.said
    assert not [call for call in build.calls if call.startswith("docker")]


def test_a_model_that_is_not_there_or_a_test_that_fails_ends_the_build(standins: Standins) -> None:
    failed = standins.build(PIPELINE, TEST_COMMAND="test -s model-store/nobody.mar")
    assert (failed.succeeded, [call.split()[0] for call in failed.calls]) == (False, ["aws"])
    (standins.folder / "object").unlink()
    (standins.source / "cicd/torchserve/model-store/churn.mar").unlink()
    assert not standins.build(PIPELINE).succeeded


# ---- the image -------------------------------------------------------------------------------------------------------


def dockerfile() -> list[tuple[str, str]]:
    """(instruction, rest) pairs; continued lines in one."""
    text = (FOLDER / "Dockerfile").read_text()
    text = re.sub(r"(?m)^#.*\n", "", text).replace("\\\n", " ")
    return [(line.split(None, 1)[0], line.split(None, 1)[1].strip()) for line in text.splitlines() if line.strip()]


def rest(instruction: str) -> list[str]:
    return [one for name, one in dockerfile() if name == instruction]


def test_the_image_is_pinned_and_what_it_copies_is_there_and_sent() -> None:
    default = rest("ARG")[0]
    assert default == f"BASE_IMAGE={PIPELINE.document['Parameters']['BaseImage']['Default']}"
    assert re.fullmatch(r"BASE_IMAGE=[a-z/]+:\d+\.\d+\.\d+-cpu", default)
    sent = {line[1:] for line in (FOLDER / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {one.split()[-2] for one in rest("COPY")}
    assert {file.replace("${MODEL_NAME}", "*") for file in copied} == sent
    assert all((FOLDER / file).is_file() for file in copied if "$" not in file)
    hashed = re.search(r"sha256sum (.+?);", "\n".join(BUILDSPEC["phases"]["pre_build"]["commands"]))
    assert hashed is not None
    assert copied - {"model-store/${MODEL_NAME}.mar"} <= set(hashed[1].split())
    assert "Dockerfile" in hashed[1].split()


def test_the_image_runs_as_the_user_that_kubernetes_expects() -> None:
    (user,) = [one.partition("=")[2] for one in rest("ARG") if one.startswith("RUN_AS=")]
    assert rest("USER")[-1] == "${RUN_AS}"
    pod = manifest("Deployment")["spec"]["template"]["spec"]
    context = pod["securityContext"]
    assert f"{context['runAsUser']}:{context['runAsGroup']}" == user
    assert context["runAsNonRoot"] is True
    (container,) = pod["containers"]
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    # What a read-only image writes goes where a volume is.
    (mount,) = container["volumeMounts"]
    environment = " ".join(rest("ENV"))
    written = re.findall(r"(?:TEMP|LOG_LOCATION|METRICS_LOCATION)=(\S+)", environment)
    assert len(written) == 3
    assert all(Path(path).is_relative_to(mount["mountPath"]) for path in written)


def test_ports_agree_from_torchserve_to_the_service() -> None:
    ports = {name: int(properties()[f"{name}_address"].rpartition(":")[2]) for name in ("inference", "metrics")}
    assert {int(port) for port in rest("EXPOSE")[0].split()} == set(ports.values())
    (container,) = manifest("Deployment")["spec"]["template"]["spec"]["containers"]
    named = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert named == {"http": ports["inference"], "metrics": ports["metrics"]}
    assert {port["targetPort"] for port in manifest("Service")["spec"]["ports"]} == set(named)
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/ping", "port": "http"}
    assert f"http://127.0.0.1:{ports['inference']}/ping" in rest("HEALTHCHECK")[0]
    annotations = manifest("Deployment")["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(ports["metrics"])


def test_only_requests_and_metrics_reach_torchserve_from_outside() -> None:
    settings = properties()
    addresses = {name: value for name, value in settings.items() if name.endswith("_address")}
    open_to_all = {name for name, value in addresses.items() if "127.0.0.1" not in value}
    assert open_to_all == {"inference_address", "metrics_address"}
    assert settings["model_api_enabled"] == "false"
    assert settings["allowed_urls"].startswith("file://")
    assert settings["decode_input_request"] == "false"


def test_kubernetes_objects_belong_together() -> None:
    deployment = manifest("Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert manifest("Service")["spec"]["selector"] == labels
    assert manifest("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels
    scaler = manifest("HorizontalPodAutoscaler")["spec"]
    assert scaler["scaleTargetRef"] == {
        "apiVersion": deployment["apiVersion"], "kind": deployment["kind"], "name": deployment["metadata"]["name"],
    }  # fmt: skip
    # A number of its own would undo the autoscaler's with every apply.
    assert "replicas" not in deployment["spec"]
    assert scaler["minReplicas"] > 1
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert set(container["resources"]["requests"]) == {"cpu", "memory"}
    kustomization = manifest("Kustomization")
    files = {file.name for file in (FOLDER / "kubernetes").iterdir()} - {"kustomization.yaml"}
    assert set(kustomization["resources"]) == files
    assert [image["name"] for image in kustomization["images"]] == [container["image"]]


# ---- the entry point -------------------------------------------------------------------------------------------------


def entrypoint(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    (folder / "torchserve").write_text('#!/bin/sh\necho "torchserve $*"\n')
    (folder / "torchserve").chmod(0o755)
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "MODEL_STORE": str(folder), **variables}
    command = ["sh", str(FOLDER / "entrypoint.sh"), *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_entry_point_expands_the_model_s_name(tmp_path: Path) -> None:
    (tmp_path / "churn.mar").touch()
    said = entrypoint(tmp_path, "serve", MODEL_NAME="churn")
    assert f"--model-store {tmp_path} --models churn=churn.mar" in said.stdout
    # The server is never to end by itself.
    assert said.returncode == 1
    assert (FOLDER / "entrypoint.sh").stat().st_mode & 0o111


def test_a_model_that_is_missing_is_told_by_name(tmp_path: Path) -> None:
    assert f"{tmp_path}/other.mar: no such file" in entrypoint(tmp_path, MODEL_NAME="other").stderr
    assert "MODEL_NAME" in entrypoint(tmp_path).stderr
    assert entrypoint(tmp_path, "echo", "a b").stdout == "a b\n"


@pytest.mark.parametrize("requirements", [None, b"six==1.17.0\n"])
def test_an_image_s_build_installs_what_the_archive_asks_for(tmp_path: Path, requirements: bytes | None) -> None:
    (tmp_path / "pip.py").write_text("import sys; print(open(sys.argv[-1]).read())")
    named = {} if requirements is None else {"requirementsFile": "needs.txt"}
    with zipfile.ZipFile(tmp_path / "churn.mar", "w") as archive:
        archive.writestr("MAR-INF/MANIFEST.json", json.dumps({"model": named}))
        if requirements is not None:
            archive.writestr("needs.txt", requirements)
    installed = subprocess.run(
        [sys.executable, str(FOLDER / "install_requirements.py"), str(tmp_path / "churn.mar")],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert installed.stdout.strip() == (requirements or b"").decode().strip()


# ---- the documentation -----------------------------------------------------------------------------------------------


def test_the_documented_algorithm_is_one(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.+?)```", (ROOT / "docs" / "torchserve.md").read_text(), re.DOTALL)
    (tmp_path / "churn").mkdir()
    (tmp_path / "churn" / "algorithm.yaml").write_text(example)
    (algorithm,) = load_catalogue(tmp_path).checked()
    assert algorithm.name == "churn"


def test_the_documentation_names_files_and_parameters_that_exist() -> None:
    text = (ROOT / "docs" / "torchserve.md").read_text()
    links = re.findall(r"\]\((\.\./[^)]+)\)", text)
    assert links
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []
    (deploy,) = re.findall(r"--parameter-overrides (.+)", text)
    required = {name for name, one in DOCUMENT["Parameters"].items() if "Default" not in one}
    assert {word.partition("=")[0] for word in deploy.split()} == required
