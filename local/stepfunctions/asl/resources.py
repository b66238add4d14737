"""What a Task's Resource names: a Lambda function, an activity, or an action of a service and how to wait for it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class ResourceKind(StrEnum):
    """Each leaves events of its own kind."""

    LAMBDA = "lambda"
    ACTIVITY = "activity"
    SERVICE = "service"


class Pattern(StrEnum):
    """How long a service task lasts."""

    REQUEST_RESPONSE = ""
    SYNC = ".sync"
    SYNC_2 = ".sync:2"
    WAIT_FOR_TASK_TOKEN = ".waitForTaskToken"


@dataclass(frozen=True, slots=True)
class Resource:
    arn: str
    kind: ResourceKind
    service: str = ""
    """As in the events' resourceType: `lambda`, `aws-sdk:dynamodb` ..."""
    action: str = ""
    pattern: Pattern = Pattern.REQUEST_RESPONSE

    @property
    def name(self) -> str:
        """As in the events' resource: `invoke.waitForTaskToken`."""
        return f"{self.action}{self.pattern.value}"


OPTIMIZED: Mapping[str, frozenset[str]] = {
    "apigateway": frozenset({"invoke"}),
    "athena": frozenset({"startQueryExecution", "stopQueryExecution", "getQueryExecution", "getQueryResults"}),
    "batch": frozenset({"submitJob"}),
    "bedrock": frozenset({"invokeModel", "createModelCustomizationJob"}),
    "codebuild": frozenset({"startBuild", "stopBuild", "batchDeleteBuilds", "batchGetReports", "startBuildBatch",
                            "stopBuildBatch", "retryBuildBatch", "deleteBuildBatch"}),
    "databrew": frozenset({"startJobRun"}),
    "dynamodb": frozenset({"getItem", "putItem", "deleteItem", "updateItem"}),
    "ecs": frozenset({"runTask"}),
    "eks": frozenset({"call", "runJob", "createCluster", "deleteCluster", "createFargateProfile",
                      "deleteFargateProfile", "createNodegroup", "deleteNodegroup"}),
    "elasticmapreduce": frozenset({"createCluster", "setClusterTerminationProtection", "terminateCluster", "addStep",
                                   "cancelStep", "modifyInstanceFleetByName", "modifyInstanceGroupByName"}),
    "emr-containers": frozenset({"createVirtualCluster", "deleteVirtualCluster", "startJobRun"}),
    "emr-serverless": frozenset({"createApplication", "startApplication", "stopApplication", "deleteApplication",
                                 "startJobRun", "cancelJobRun"}),
    "events": frozenset({"putEvents"}),
    "glue": frozenset({"startJobRun"}),
    "http": frozenset({"invoke"}),
    "lambda": frozenset({"invoke"}),
    "mediaconvert": frozenset({"createJob"}),
    "sagemaker": frozenset({"createEndpoint", "createEndpointConfig", "createHyperParameterTuningJob",
                            "createLabelingJob", "createModel", "createProcessingJob", "createTrainingJob",
                            "createTransformJob", "updateEndpoint"}),
    "sns": frozenset({"publish"}),
    "sqs": frozenset({"sendMessage"}),
    "states": frozenset({"startExecution"}),
}  # fmt: skip
"""The optimized integrations and their actions (Developer Guide, "Integrating optimized services")."""

_SERVICE = re.compile(
    r"arn:[\w-]+:states:[\w-]*:\d*:(?:(aws-sdk):)?([\w-]+):(\w+)(\.sync|\.sync:2|\.waitForTaskToken)?"
)
_ACTIVITY = re.compile(r"arn:[\w-]+:states:[\w-]*:[\w-]*:activity:[^\s:]+")
_FUNCTION = re.compile(r"arn:[\w-]+:lambda:[\w-]*:[\w-]*:function:[^\s:]+(?::[^\s:]+)?")


def parse(arn: str) -> Resource | None:
    """Returns None where Step Functions would not recognize it."""
    if _ACTIVITY.fullmatch(arn):
        return Resource(arn, ResourceKind.ACTIVITY)
    match = _SERVICE.fullmatch(arn)
    if match is not None:
        sdk, service, action, pattern = match.groups()
        if not sdk and action not in OPTIMIZED.get(service, frozenset()):
            return None
        name = f"aws-sdk:{service}" if sdk else service
        return Resource(arn, ResourceKind.SERVICE, name, action, Pattern(pattern or ""))
    if _FUNCTION.fullmatch(arn):
        return Resource(arn, ResourceKind.LAMBDA)
    return None
