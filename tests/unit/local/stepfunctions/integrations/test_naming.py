import pytest

from local.stepfunctions.integrations import naming


@pytest.mark.parametrize(
    ("member", "spelled"),
    [
        ("executionArn", "ExecutionArn"),
        ("ETag", "ETag"),
        ("ChecksumCRC32", "ChecksumCRC32"),
        ("DBInstanceIdentifier", "DbInstanceIdentifier"),
        ("SSEKMSKeyId", "SsekmsKeyId"),
        ("MD5OfMessageBody", "Md5OfMessageBody"),
        ("ARN", "Arn"),
        ("S", "S"),
        ("BOOL", "Bool"),
        ("NULL", "Nul"),
    ],
)
def test_members_of_an_sdk_integration_are_spelled_as_the_java_sdk_does(member: str, spelled: str) -> None:
    assert naming.sdk_member(member) == spelled


@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        ("DynamoDB", "DynamoDb"),
        ("SFN", "Sfn"),
        ("S3", "S3"),
        ("Secrets Manager", "SecretsManager"),
        ("Elastic Load Balancing v2", "ElasticLoadBalancingV2"),
        ("KMSInvalidStateException", "KmsInvalidStateException"),
        ("NoSuchKeyException", "NoSuchKeyException"),
    ],
)
def test_services_and_exceptions_are_classes_of_the_java_sdk(name: str, spelled: str) -> None:
    assert naming.sdk_class(name) == spelled


def test_error_shapes_become_exceptions() -> None:
    names = ["NoSuchKey", "ResourceNotFoundException", "DBInstanceNotFoundFault"]
    spelled = ["NoSuchKeyException", "ResourceNotFoundException", "DBInstanceNotFoundException"]
    assert [naming.exception(name) for name in names] == spelled


@pytest.mark.parametrize(
    ("service", "name"),
    [
        ("s3", "s3"),
        ("sfn", "stepfunctions"),
        ("cloudwatchlogs", "logs"),
        ("sagemakerruntime", "sagemaker-runtime"),
        ("elasticmapreduce", "emr"),
        ("nonesuch", None),
    ],
)
def test_services_are_found_by_the_name_that_a_resource_gives_them(service: str, name: str | None) -> None:
    assert naming.botocore_service(service) == name
