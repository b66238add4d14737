"""Names, ARNs and URIs in every partition."""

import pytest

from pipelines.environment import Environment


def test_the_local_environment_has_the_contracts_names() -> None:
    local = Environment()
    assert local.uploads_bucket == "headrace-dev-uploads-000000000000-us-east-1"
    assert local.artifacts_bucket == "headrace-dev-artifacts-000000000000-us-east-1"
    assert local.resource_name("decision_trees") == "headrace-dev-decision-trees"
    assert local.function_arn("deploy_endpoint").endswith(":function:headrace-dev-deploy-endpoint")
    assert local.pipeline_role_arn == "arn:aws:iam::000000000000:role/headrace-dev-pipeline-us-east-1"
    assert local.job_role_arn == "arn:aws:iam::000000000000:role/headrace-dev-job-us-east-1"
    assert local.parameter_name("own", "source") == "/headrace/dev/algorithms/own/source"


@pytest.mark.parametrize(
    ("region", "partition", "domain"),
    [
        ("eu-central-1", "aws", "amazonaws.com"),
        ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
        ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
    ],
)
def test_the_partition_follows_from_the_region(region: str, partition: str, domain: str) -> None:
    environment = Environment(stage="prod", account="123456789012", region=region)
    assert environment.training_state_machine_arn == (
        f"arn:{partition}:states:{region}:123456789012:stateMachine:headrace-prod-training"
    )
    assert environment.image_uri("headrace/own") == f"123456789012.dkr.ecr.{region}.{domain}/headrace/own:latest"


@pytest.mark.parametrize(
    ("field", "value"),
    [("stage", "Prod"), ("stage", "averylongstage"), ("account", "12"), ("region", "moon"), ("partition", "aws-cn")],
)
def test_what_cannot_be_one_is_refused(field: str, value: str) -> None:
    with pytest.raises(ValueError, match=field):
        Environment(**{field: value})


def test_bucket_and_endpoint_names_fit_sagemaker_and_s3() -> None:
    longest = Environment(stage="stage12345", account="123456789012", region="ap-southeast-2")
    assert len(longest.artifacts_bucket) <= 63
    assert len(f"{longest.resource_name('a' * 30)}-{'0' * 12}") <= 63
