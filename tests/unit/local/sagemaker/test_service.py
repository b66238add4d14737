"""The door: what is refused, and how; the registry and the small operations behind it."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.sagemaker.operations import OF_ENDPOINTS, OF_EXECUTIONS, OF_JOBS, OF_MACHINE
from local.sagemaker.wire import shapes
from local.surroundings import Request
from tests.unit.local.sagemaker.cloud import ROLE, image
from tests.unit.local.sagemaker.conftest import World

CONTAINER = {"Image": image("app"), "ModelDataUrl": "s3://in/model.tar.gz"}


def register(world: World, approval: str) -> str:
    answer = world.client.create_model_package(
        ModelPackageGroupName="trees",
        ModelApprovalStatus=approval,
        InferenceSpecification={"Containers": [CONTAINER], "SupportedContentTypes": ["text/csv"]},
    )
    arn: str = answer["ModelPackageArn"]
    return arn


def test_every_operation_is_one_of_awss() -> None:
    operations = [*OF_MACHINE, *OF_JOBS, *OF_ENDPOINTS, *OF_EXECUTIONS]
    assert len(set(operations)) == len(operations)
    assert set(operations) <= set(shapes.model().operation_names)


def test_an_operation_that_is_not_run_here_says_so(world: World) -> None:
    with pytest.raises(ClientError, match="CreateDomain is not run by this local SageMaker"):
        world.client.create_domain(DomainName="d", AuthMode="IAM", DefaultUserSettings={})
    service = world.service
    assert service is not None
    for target in ("SageMaker.Nonsense", "Other.Thing", ""):
        headers = {"X-Amz-Target": target}
        status, fields, body = asyncio.run(service.handle(Request("POST", "/", headers, b"{}", {})))
        assert status == 400
        assert fields["x-amzn-ErrorType"] == json.loads(body)["__type"] == "UnknownOperationException"


def test_a_body_that_is_no_json_is_refused(world: World) -> None:
    service = world.start()
    headers = {"X-Amz-Target": "SageMaker.ListModels"}
    for body in (b"{", b"[]", b"\xff"):
        status, _, answer = asyncio.run(service.handle(Request("POST", "/", headers, body, {})))
        assert (status, json.loads(answer)["__type"]) == (400, "ValidationException")


def test_before_the_start_and_after_the_stop_it_is_unavailable(world: World) -> None:
    service = world.start()
    world.stop()
    status, _, _ = asyncio.run(service.handle(Request("POST", "/", {}, b"{}", {})))
    assert status == 503


def test_versions_of_a_group_are_numbered_and_survive_a_restart(world: World) -> None:
    world.client.create_model_package_group(ModelPackageGroupName="trees")
    first, second = register(world, "Approved"), register(world, "PendingManualApproval")
    assert (first.rsplit("/", 1)[1], second.rsplit("/", 1)[1]) == ("1", "2")
    world.stop()
    world.start()
    listed = world.client.list_model_packages(ModelPackageGroupName="trees")["ModelPackageSummaryList"]
    assert [package["ModelPackageVersion"] for package in listed] == [2, 1]
    world.client.delete_model_package(ModelPackageName=second)
    assert register(world, "Approved").endswith("/3")


def test_only_an_approved_version_becomes_a_model(world: World) -> None:
    world.client.create_model_package_group(ModelPackageGroupName="trees")
    package = register(world, "PendingManualApproval")
    containers = [{"ModelPackageName": package}]
    with pytest.raises(ClientError, match="PendingManualApproval"):
        world.client.create_model(ModelName="m", Containers=containers, ExecutionRoleArn=ROLE)
    world.client.update_model_package(ModelPackageArn=package, ModelApprovalStatus="Approved")
    told = [e.detail for e in world.cloud.events if "Model Package" in e.detail_type]
    world.cloud.await_event(lambda e: e.detail.get("ModelApprovalStatus") == "Approved")
    assert told[0]["ModelPackageVersion"] == 1
    world.client.create_model(ModelName="m", Containers=containers, ExecutionRoleArn=ROLE)
    assert world.client.describe_model(ModelName="m")["Containers"] == containers


def test_what_is_not_there_has_awss_error(world: World) -> None:
    client = world.client
    calls: list[tuple[Callable[[], Any], str]] = [
        (lambda: client.describe_training_job(TrainingJobName="none"), "ResourceNotFound"),
        (lambda: client.describe_pipeline(PipelineName="none"), "ResourceNotFound"),
        (lambda: client.describe_endpoint(EndpointName="none"), "ValidationException"),
        (lambda: client.describe_model(ModelName="none"), "ValidationException"),
        (lambda: client.create_endpoint(EndpointName="e", EndpointConfigName="none"), "ValidationException"),
    ]
    for call, code in calls:
        with pytest.raises(ClientError) as caught:
            call()
        assert caught.value.response["Error"]["Code"] == code


def test_lists_are_paged_and_filtered(world: World) -> None:
    for number in range(5):
        world.client.create_model(ModelName=f"m-{number}", PrimaryContainer=CONTAINER, ExecutionRoleArn=ROLE)
    page = world.client.list_models(MaxResults=2, SortBy="Name", SortOrder="Ascending")
    assert [model["ModelName"] for model in page["Models"]] == ["m-0", "m-1"]
    rest = world.client.list_models(SortBy="Name", SortOrder="Ascending", NextToken=page["NextToken"])
    assert [model["ModelName"] for model in rest["Models"]] == ["m-2", "m-3", "m-4"]
    found = world.client.list_models(NameContains="3")["Models"]
    assert [model["ModelName"] for model in found] == ["m-3"]
    with pytest.raises(ClientError, match="NextToken"):
        world.client.list_models(NextToken="???")


def test_tags_of_a_resource(world: World) -> None:
    tag = {"Key": "team", "Value": "a"}
    arn = world.client.create_model(ModelName="m", PrimaryContainer=CONTAINER, ExecutionRoleArn=ROLE, Tags=[tag])[
        "ModelArn"
    ]
    world.client.add_tags(ResourceArn=arn, Tags=[{"Key": "stage", "Value": "dev"}])
    world.client.delete_tags(ResourceArn=arn, TagKeys=["stage"])
    assert world.client.list_tags(ResourceArn=arn)["Tags"] == [tag]


def test_the_isolation_in_use_can_be_asked_for(world: World) -> None:
    world.isolation = "base-dir"
    service = world.start()
    assert service.isolation is not None
    assert service.isolation.name == "base-dir"
