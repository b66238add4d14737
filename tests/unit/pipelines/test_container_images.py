"""The plan of own images: names, tags, requests to ECR and commands of docker, in every partition."""

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from pipelines.catalogue import load_catalogue
from pipelines.container_images.dockerfile import ecr_registries
from pipelines.container_images.image import ContainerImage, pull_policy
from pipelines.container_images.plan import plan_images, registries, steps
from pipelines.container_images.requests import Call, Command, Registry
from pipelines.environment import Environment
from pipelines.problems import CatalogueError
from tests.unit.pipelines.catalogues import FRAMEWORK, OWN, UNTRAINED, write_catalogue

APART: dict[str, Any] = {
    **OWN,
    "name": "apart",
    "image": {"training": {"build": "container"}, "inference": {"build": "serving"}},
}
CHINA = Environment("prod", "123456789012", "cn-north-1")
LEARNING = "763104351884.dkr.ecr.eu-west-1.amazonaws.com"


def planned(folder: Path, *specs: dict[str, Any], environment: Environment = CHINA) -> tuple[ContainerImage, ...]:
    catalogue = write_catalogue(folder, *specs)
    for spec in specs:
        (catalogue / spec["name"] / "serving").mkdir()
        (catalogue / spec["name"] / "serving" / "Dockerfile").write_text("FROM busybox\n")
    return plan_images(load_catalogue(catalogue).checked(), environment)


def calls(images: tuple[ContainerImage, ...]) -> list[Call]:
    return [step for step in steps(images, push=True) if isinstance(step, Call)]


def test_one_folder_is_one_image_and_two_folders_are_two(tmp_path: Path) -> None:
    images = planned(tmp_path, OWN, APART, FRAMEWORK, UNTRAINED)
    assert [image.repository for image in images] == [
        "headrace/apart-inference",
        "headrace/apart-training",
        "headrace/own",
        "headrace/untrained",
    ]


def test_the_tag_follows_the_content_and_nothing_else(tmp_path: Path) -> None:
    (one,) = planned(tmp_path / "one", OWN)
    (same,) = planned(tmp_path / "same", OWN, environment=Environment())
    (tmp_path / "one" / "algorithms" / "own" / "container" / "Dockerfile").write_text("FROM scratch\nUSER 1\n")
    (other,) = plan_images(load_catalogue(tmp_path / "one" / "algorithms").checked(), CHINA)
    assert one.tag == same.tag != other.tag
    assert re.fullmatch(r"sha256-[0-9a-f]{16}", one.tag)


@pytest.mark.parametrize(
    ("region", "host", "partition"),
    [
        ("eu-central-1", "123456789012.dkr.ecr.eu-central-1.amazonaws.com", "aws"),
        ("cn-northwest-1", "123456789012.dkr.ecr.cn-northwest-1.amazonaws.com.cn", "aws-cn"),
        ("us-gov-west-1", "123456789012.dkr.ecr.us-gov-west-1.amazonaws.com", "aws-us-gov"),
    ],
)
def test_every_partition_has_its_own_hosts_and_arns(tmp_path: Path, region: str, host: str, partition: str) -> None:
    environment = Environment("dev", "123456789012", region)
    (image,) = planned(tmp_path, OWN, environment=environment)
    assert image.uri() == f"{host}/headrace/own:latest"
    assert [command.arguments[1] for command in image.pushes] == [image.uri(image.tag), image.uri()]
    (statement,) = pull_policy(environment)["Statement"]
    assert statement["Principal"] == {"Service": "sagemaker.amazonaws.com"}
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "123456789012"},
        "ArnLike": {"aws:SourceArn": f"arn:{partition}:sagemaker:{region}:123456789012:*"},
    }


def test_a_name_is_the_one_that_pipelines_refer_to(tmp_path: Path) -> None:
    (image,) = planned(tmp_path, OWN)
    assert image.uri() == CHINA.image_uri(image.repository)


def test_every_request_is_one_that_ecr_takes(tmp_path: Path) -> None:
    service = botocore.session.get_session().get_service_model("ecr")
    names = {re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(): name for name in service.operation_names}
    for call in calls(planned(tmp_path, OWN)):
        shape = service.operation_model(names[call.operation]).input_shape
        assert shape is not None
        assert not ParamValidator().validate(call.request, shape).has_errors(), call


def test_the_repository_scans_encrypts_and_drops_old_images_without_a_tag(tmp_path: Path) -> None:
    requests = {call.operation: call.request for call in calls(planned(tmp_path, OWN))}
    assert requests["create_repository"]["imageScanningConfiguration"] == {"scanOnPush": True}
    assert requests["create_repository"]["encryptionConfiguration"] == {"encryptionType": "AES256"}
    (rule,) = json.loads(requests["put_lifecycle_policy"]["lifecyclePolicyText"])["rules"]
    assert rule["selection"]["tagStatus"] == "untagged"


def test_an_image_is_built_in_the_one_format_that_sagemaker_runs(tmp_path: Path) -> None:
    (image,) = planned(tmp_path, OWN)
    words = image.build.arguments
    assert words[:2] == ("buildx", "build")
    assert words[-1] == str(image.folder)
    for option in (("--platform", "linux/amd64"), ("--output", "type=docker"), ("--tag", image.uri(image.tag))):
        assert option in pairwise(words)
    assert "--provenance=false" in words


def test_a_folder_without_a_dockerfile_is_named_with_its_key(tmp_path: Path) -> None:
    catalogue = write_catalogue(tmp_path, OWN, APART)
    (catalogue / "own" / "container" / "Dockerfile").unlink()
    (catalogue / "apart" / "serving").mkdir()
    with pytest.raises(CatalogueError) as raised:
        plan_images(load_catalogue(catalogue).checked(), CHINA)
    assert str(raised.value).splitlines() == [
        'algorithms/apart/algorithm.yaml: image.inference.build: expected a folder with a Dockerfile, found "serving"',
        'algorithms/own/algorithm.yaml: image.build: expected a folder with a Dockerfile, found "container"',
    ]


@pytest.mark.parametrize(
    "dockerfile",
    [
        f"FROM {LEARNING}/pytorch-inference:2.6.0-cpu-py312-ubuntu22.04-sagemaker",
        f"from --platform=linux/amd64 {LEARNING}/x AS base\nFROM base",
        f"ARG BASE={LEARNING}/x:1\nFROM ${{BASE}}",
        f'ARG HOST="{LEARNING}"\nFROM $HOST/x',
        f"FROM ${{HOST:-{LEARNING}}}/x",
        f"FROM scratch\nCOPY \\\n  --chown=1:1 --from={LEARNING}/x /a /b",
    ],
)
def test_a_base_image_in_ecr_needs_a_login_of_its_own(dockerfile: str) -> None:
    assert ecr_registries(dockerfile) == (Registry(LEARNING, "eu-west-1"),)


def test_other_base_images_need_none() -> None:
    other = "FROM python:3.11-slim\nFROM public.ecr.aws/docker/library/python:3.11\nFROM ${UNKNOWN}\n"
    assert ecr_registries(f"{other}# FROM {LEARNING}/x\nRUN echo FROM {LEARNING}/x\n") == ()
    assert ecr_registries("FROM 727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn/x:1")[0].region == "cn-north-1"


def test_a_build_alone_logs_in_to_base_images_only(tmp_path: Path) -> None:
    catalogue = write_catalogue(tmp_path, OWN)
    (catalogue / "own" / "container" / "Dockerfile").write_text(f"FROM {LEARNING}/x\n")
    images = plan_images(load_catalogue(catalogue).checked(), CHINA)
    assert [registry.host for registry in registries(images, push=False)] == [LEARNING]
    assert {registry.host for registry in registries(images, push=True)} == {LEARNING, images[0].registry.host}
    asked = [step.region for step in steps(images, push=True) if isinstance(step, Call) and not step.request]
    assert asked == ["cn-north-1", "eu-west-1"]


def test_a_step_can_be_read_and_typed(tmp_path: Path) -> None:
    (image,) = planned(tmp_path, OWN)
    lines = [str(step) for step in steps((image,), push=True)]
    assert lines[0].startswith("aws ecr describe-repositories --region cn-north-1 --cli-input-json '{")
    assert lines[-1] == f"docker push {image.uri()}"
    commands = [step.arguments[0] for step in steps((image,), push=True) if isinstance(step, Command)]
    assert commands == ["login", "buildx", "push", "push"]
