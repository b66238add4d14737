"""How the errors of a service are named and worded in an execution's history.

An optimized integration speaks as the AWS SDK for Java 1 does (`DynamoDB.AmazonDynamoDBException`, causes with
semicolons), one of the AWS SDK as version 2 does (`DynamoDb.DynamoDbException`, commas).
Source: AWS's recorded histories; the Retry and Catch names in the Developer Guide's samples.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from uuid import uuid4

from botocore.exceptions import ClientError
from botocore.model import ServiceModel

from local.documents import Json
from local.stepfunctions.integrations import naming
from local.stepfunctions.integrations.task import TaskError


@dataclass(frozen=True, slots=True)
class Dialect:
    prefix: str
    """Of the error names."""
    base: str
    """The exception of an error that the service's model does not have."""
    service: str
    """As the causes call it."""
    sdk: bool = False
    """Of an AWS SDK integration."""

    def failure(self, model: ServiceModel, error: ClientError) -> TaskError:
        """Returns what AWS makes of an error answer."""
        said: Mapping[str, Json] = error.response
        told: Mapping[str, Json] = said.get("Error", {})
        code = str(told.get("Code", "Unknown"))
        message = told.get("Message") or _silent(model, error)
        metadata: Mapping[str, Json] = said.get("ResponseMetadata", {})
        # A service that once spoke the query protocol, SQS, keeps its old codes beside the names of the model.
        codes = {_BY_HEAD.get((error.operation_name, code), code), str(told.get("QueryErrorCode", code))}
        return self.named(self._exception(model, codes), code, message, metadata)

    def named(self, exception: str, code: str, message: str, metadata: Mapping[str, Json]) -> TaskError:
        status = metadata.get("HTTPStatusCode", 400)
        request = metadata.get("RequestId") or str(uuid4())
        if not self.sdk:
            told = f"Service: {self.service}; Status Code: {status}; Error Code: {code}; Request ID: {request}"
            return TaskError(f"{self.prefix}.{exception}", f"{message} ({told}; Proxy: null)")
        told = f"Service: {self.service}, Status Code: {status}, Request ID: {request}"
        if self.service == "S3":
            told += f", Extended Request ID: {metadata.get('HostId') or request}"
        return TaskError(f"{self.prefix}.{exception}", f"{message} ({told}) (SDK Attempt Count: 1)")

    def refused(self, code: str, message: str) -> TaskError:
        """Returns an error that the service would answer, had the request been sent."""
        return self.named(self.base, code, message, {"HTTPStatusCode": 400})

    def _exception(self, model: ServiceModel, codes: Set[str]) -> str:
        for shape in model.error_shapes:
            if shape.name in codes or shape.metadata.get("error", {}).get("code") in codes:
                name = naming.exception(shape.name)
                return naming.sdk_class(name) if self.sdk else name
        return self.base


_BY_HEAD: Mapping[tuple[str, str], str] = {("HeadObject", "404"): "NoSuchKey", ("HeadBucket", "404"): "NoSuchBucket"}
"""A HEAD has no body that could name its error; the SDK takes it from the operation."""


def _silent(model: ServiceModel, error: ClientError) -> str:
    """Words an error that has no message."""
    if _is_unknown(error):
        return f"The local endpoint does not speak {model.service_name}:{error.operation_name}"
    return str(error.response.get("Error", {}).get("Code", "Unknown"))


def _is_unknown(error: ClientError) -> bool:
    """Returns how an endpoint answers that has no such service: a bare 400, 404 or 501."""
    return str(error.response.get("Error", {}).get("Code")) in ("400", "404", "501") and error.operation_name not in (
        "HeadObject",
        "HeadBucket",
    )


def _v1(prefix: str, client: str, service: str | None = None) -> Dialect:
    return Dialect(prefix, f"{client}Exception", service or client)


OPTIMIZED: Mapping[str, Dialect] = {
    "apigateway": _v1("ApiGateway", "AmazonApiGateway"),
    "athena": _v1("Athena", "AmazonAthena"),
    "batch": _v1("Batch", "AWSBatch"),
    "bedrock": Dialect("Bedrock", "BedrockException", "Bedrock", sdk=True),
    "codebuild": _v1("CodeBuild", "AWSCodeBuild"),
    "databrew": _v1("DataBrew", "AWSGlueDataBrew"),
    "dynamodb": _v1("DynamoDB", "AmazonDynamoDB", "AmazonDynamoDBv2"),
    "ecs": _v1("ECS", "AmazonECS"),
    "eks": _v1("EKS", "AmazonEKS"),
    "elasticmapreduce": _v1("ElasticMapReduce", "AmazonElasticMapReduce"),
    "emr-containers": _v1("EMRContainers", "AmazonEMRContainers"),
    "emr-serverless": _v1("EMRServerless", "AWSEMRServerless"),
    "events": _v1("EventBridge", "AmazonEventBridge"),
    "glue": _v1("Glue", "AWSGlue"),
    "lambda": _v1("Lambda", "AWSLambda"),
    "mediaconvert": _v1("MediaConvert", "AWSMediaConvert"),
    "s3": Dialect("S3", "AmazonS3Exception", "Amazon S3"),
    "sagemaker": _v1("SageMaker", "AmazonSageMaker"),
    "sns": _v1("SNS", "AmazonSNS"),
    "sqs": _v1("SQS", "AmazonSQS"),
    "states": _v1("StepFunctions", "AWSStepFunctions"),
}


def of_sdk(model: ServiceModel) -> Dialect:
    """Makes the dialect of an AWS SDK integration: everything follows from the service's id."""
    prefix = naming.sdk_class(model.metadata.get("serviceId", model.service_name))
    return Dialect(prefix, f"{prefix}Exception", prefix, sdk=True)
