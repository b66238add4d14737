"""Model packages: versions of a group and packages by name, and all that may be changed of them."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.sagemaker.machine.events import MODEL_PACKAGE
from tests.unit.local.sagemaker.cloud import image
from tests.unit.local.sagemaker.conftest import World
from tests.unit.local.sagemaker.pipelines.definitions import create, definition, fail_step

INFERENCE = {
    "Containers": [{"Image": image("app"), "ModelDataUrl": "s3://in/model.tar.gz"}],
    "SupportedContentTypes": ["text/csv"],
    "SupportedResponseMIMETypes": ["text/csv"],
}


def group(world: World, name: str = "trees", **more: Any) -> str:
    arn: str = world.client.create_model_package_group(ModelPackageGroupName=name, **more)["ModelPackageGroupArn"]
    return arn


def version(world: World, **more: Any) -> str:
    request = {"ModelPackageGroupName": "trees", "InferenceSpecification": INFERENCE, **more}
    arn: str = world.client.create_model_package(**request)["ModelPackageArn"]
    return arn


def test_everything_a_version_is_registered_with_is_described(world: World) -> None:
    group(world)
    given = {
        "ModelPackageDescription": "deep",
        "MetadataProperties": {"GeneratedBy": "arn:aws:sagemaker:us-east-1:000000000000:pipeline/p/execution/x"},
        "ModelMetrics": {"ModelQuality": {"Statistics": {"ContentType": "application/json", "S3Uri": "s3://m/q.json"}}},
        "DriftCheckBaselines": {"ModelQuality": {"Constraints": {"ContentType": "a/b", "S3Uri": "s3://m/c.json"}}},
        "CustomerMetadataProperties": {"owner": "me"},
        "AdditionalInferenceSpecifications": [{"Name": "fast", "Containers": INFERENCE["Containers"]}],
        "ModelLifeCycle": {"Stage": "Development", "StageStatus": "InProgress"},
        "Domain": "COMPUTER_VISION",
        "Task": "CLASSIFICATION",
        "SamplePayloadUrl": "s3://m/sample",
        "SkipModelValidation": "All",
        "SourceUri": "s3://m/source",
    }
    arn = version(world, **given)
    described = world.client.describe_model_package(ModelPackageName=arn)
    assert {name: described[name] for name in given} == given
    assert (described["ModelPackageGroupName"], described["ModelPackageVersion"]) == ("trees", 1)
    assert (described["ModelPackageStatus"], described["ModelApprovalStatus"]) == ("Completed", "PendingManualApproval")
    assert described["InferenceSpecification"] == INFERENCE
    brief = world.client.describe_model_package(ModelPackageName=arn, IncludedData="MetadataOnly")
    assert "InferenceSpecification" not in brief


def test_what_is_updated_is_merged_and_told(world: World) -> None:
    group(world)
    arn = version(world, CustomerMetadataProperties={"a": "1", "b": "2"})
    extra = {"Name": "fast", "Containers": INFERENCE["Containers"]}
    world.client.update_model_package(
        ModelPackageArn=arn,
        ModelApprovalStatus="Approved",
        ApprovalDescription="looks good",
        CustomerMetadataProperties={"c": "3"},
        CustomerMetadataPropertiesToRemove=["a"],
        AdditionalInferenceSpecificationsToAdd=[extra],
        ModelLifeCycle={"Stage": "Production", "StageStatus": "Approved"},
        SourceUri="s3://new",
    )
    described = world.client.describe_model_package(ModelPackageName=arn)
    assert described["CustomerMetadataProperties"] == {"b": "2", "c": "3"}
    assert described["AdditionalInferenceSpecifications"] == [extra]
    assert (described["ApprovalDescription"], described["SourceUri"]) == ("looks good", "s3://new")
    told = world.cloud.await_event(lambda e: e.detail.get("ModelApprovalStatus") == "Approved")
    assert told.detail_type == MODEL_PACKAGE
    assert told.resources == [arn]
    assert told.detail["ModelLifeCycle"] == {"Stage": "Production", "StageStatus": "Approved"}
    assert told.detail["CreationTime"].endswith("Z")
    with pytest.raises(ClientError, match="Name of its own"):
        world.client.update_model_package(ModelPackageArn=arn, AdditionalInferenceSpecificationsToAdd=[extra])


def test_a_package_by_name_has_no_version_and_no_approval(world: World) -> None:
    request = {"ModelPackageName": "single", "InferenceSpecification": INFERENCE}
    arn = world.client.create_model_package(**request)["ModelPackageArn"]
    assert arn.endswith(":model-package/single")
    assert "ModelPackageVersion" not in world.client.describe_model_package(ModelPackageName="single")
    for wrong, problem in (
        ({}, "already exists"),
        ({"ModelPackageName": "x", "ModelApprovalStatus": "Approved"}, "versions of a model package group"),
        ({"ModelPackageName": "x", "ModelPackageGroupName": "g"}, "exactly one of"),
    ):
        with pytest.raises(ClientError, match=problem):
            world.client.create_model_package(**{**request, **wrong})
    with pytest.raises(ClientError, match="versions of a model package group"):
        world.client.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")


def test_a_client_token_registers_once(world: World) -> None:
    group(world)
    first = version(world, ClientToken="once")
    assert version(world, ClientToken="once") == first
    with pytest.raises(ClientError, match="ConflictException"):
        version(world, ClientToken="once", ModelPackageDescription="other")
    world.client.delete_model_package(ModelPackageName=first)
    assert version(world, ClientToken="once") != first


def test_many_packages_are_described_at_once(world: World) -> None:
    group(world)
    arn = version(world)
    none = arn[:-1] + "9"
    answer = world.client.batch_describe_model_package(ModelPackageArnList=[arn, none])
    assert answer["ModelPackageSummaries"][arn]["ModelPackageVersion"] == 1
    assert answer["BatchDescribeModelPackageErrorMap"][none]["ErrorCode"] == "ValidationException"


def test_packages_are_listed_by_kind_and_approval(world: World) -> None:
    group(world)
    versions = [version(world, ModelApprovalStatus=status) for status in ("Approved", "Rejected", "Approved")]
    world.client.create_model_package(ModelPackageName="single", InferenceSpecification=INFERENCE)

    def arns(**request: Any) -> list[str]:
        return [
            one["ModelPackageArn"] for one in world.client.list_model_packages(**request)["ModelPackageSummaryList"]
        ]

    assert arns(ModelPackageGroupName="trees") == versions[::-1]
    assert arns(ModelPackageGroupName="trees", SortOrder="Ascending") == versions
    assert arns(ModelPackageGroupName="trees", ModelApprovalStatus="Rejected") == [versions[1]]
    assert [arn.rsplit("/", 1)[1] for arn in arns()] == ["single"]
    assert len(arns(ModelPackageType="Both")) == 4
    newest = world.client.list_model_packages(
        ModelPackageGroupName="trees", ModelApprovalStatus="Approved", SortBy="CreationTime", MaxResults=1
    )
    assert [one["ModelPackageArn"] for one in newest["ModelPackageSummaryList"]] == [versions[2]]
    with pytest.raises(ClientError, match="does not exist"):
        arns(ModelPackageGroupName="none")


def test_a_group_is_kept_while_it_has_versions(world: World) -> None:
    group(world, Tags=[{"Key": "team", "Value": "a"}])
    arn = version(world)
    with pytest.raises(ClientError, match="still has model packages"):
        world.client.delete_model_package_group(ModelPackageGroupName="trees")
    world.client.delete_model_package(ModelPackageName=arn)
    world.client.delete_model_package_group(ModelPackageGroupName="trees")
    again = group(world)
    assert world.client.list_tags(ResourceArn=again)["Tags"] == []
    with pytest.raises(ClientError, match="already exists"):
        group(world)


def test_the_policy_of_a_group_is_kept(world: World) -> None:
    arn = group(world)
    client = world.client
    answer = client.put_model_package_group_policy(ModelPackageGroupName="trees", ResourcePolicy="{}")
    assert answer["ModelPackageGroupArn"] == arn
    assert client.get_model_package_group_policy(ModelPackageGroupName="trees")["ResourcePolicy"] == "{}"
    client.delete_model_package_group_policy(ModelPackageGroupName="trees")
    with pytest.raises(ClientError, match="Cannot find resource policy"):
        client.get_model_package_group_policy(ModelPackageGroupName="trees")


@pytest.mark.parametrize("member", ["SourceAlgorithmSpecification", "ValidationSpecification"])
def test_what_cannot_be_honoured_is_refused(world: World, member: str) -> None:
    group(world)
    given: dict[str, Any] = {
        "SourceAlgorithmSpecification": {"SourceAlgorithms": [{"AlgorithmName": "a"}]},
        "ValidationSpecification": {
            "ValidationRole": "arn:aws:iam::000000000000:role/test",
            "ValidationProfiles": [
                {
                    "ProfileName": "p",
                    "TransformJobDefinition": {
                        "TransformInput": {
                            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b"}}
                        },
                        "TransformOutput": {"S3OutputPath": "s3://b"},
                        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
                    },
                }
            ],
        },
    }
    with pytest.raises(ClientError, match=f"{member} is not run"):
        version(world, **{member: given[member]})


def test_tags_are_of_what_is_there_and_of_a_number(world: World) -> None:
    arn = group(world)
    many = [{"Key": f"k{number}", "Value": "v"} for number in range(50)]
    assert len(world.client.add_tags(ResourceArn=arn, Tags=many)["Tags"]) == 50
    assert world.client.list_tags(ResourceArn=arn, MaxResults=50)["Tags"] == many
    with pytest.raises(ClientError, match="would have 51 tags"):
        world.client.add_tags(ResourceArn=arn, Tags=[{"Key": "one more", "Value": "v"}])
    world.client.add_tags(ResourceArn=arn, Tags=[{"Key": "k0", "Value": "new"}])
    world.client.delete_tags(ResourceArn=arn, TagKeys=[f"k{number}" for number in range(1, 50)])
    assert world.client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "k0", "Value": "new"}]
    for call in (world.client.list_tags, lambda **given: world.client.add_tags(**given, Tags=many[:1])):
        with pytest.raises(ClientError, match="does not exist"):
            call(ResourceArn=f"{arn}-none")


def test_everything_a_pipeline_needs_has_tags(world: World) -> None:
    group(world)
    request = {"Tags": [{"Key": "a", "Value": "b"}]}
    package = version(world, **request)
    create(world, definition(fail_step("F")))
    pipeline = world.client.describe_pipeline(PipelineName="p")["PipelineArn"]
    world.client.add_tags(ResourceArn=pipeline, **request)
    for arn in (package, pipeline):
        assert world.client.list_tags(ResourceArn=arn)["Tags"] == request["Tags"]
