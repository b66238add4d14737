"""How Step Functions spells AWS's names: services, members, exceptions.

Integrations of the AWS SDK follow the AWS SDK for Java 2, which builds its names from the words of the service
models; optimized integrations follow version 1, which keeps the models' spelling.
"""

import functools
import re
from collections.abc import Mapping

import botocore.session

from local import wire

_BOTOCORE: Mapping[str, str] = {
    "applicationdiscoveryservice": "discovery",
    "cloudwatchlogs": "logs",
    "cognitoidentityprovider": "cognito-idp",
    "configservice": "config",
    "costandusagereportservice": "cur",
    "costexplorer": "ce",
    "databasemigrationservice": "dms",
    "databasemigration": "dms",
    "directoryservice": "ds",
    "directoryservicedata": "ds-data",
    "elasticloadbalancing": "elb",
    "elasticloadbalancingv2": "elbv2",
    "elasticmapreduce": "emr",
    "elasticsearchservice": "es",
    "elasticsearch": "es",
    "eventbridge": "events",
    "iotdataplane": "iot-data",
    "iotjobsdataplane": "iot-jobs-data",
    "lexmodelbuilding": "lex-models",
    "lexmodelsv2": "lexv2-models",
    "lexruntimeservice": "lex-runtime",
    "lexruntimev2": "lexv2-runtime",
    "marketplaceentitlement": "marketplace-entitlement",
    "marketplacemetering": "meteringmarketplace",
    "migrationhub": "mgh",
    "pinpointsmsvoice": "sms-voice",
    "serverlessapplicationrepository": "serverlessrepo",
    "sfn": "stepfunctions",
    "simpledb": "sdb",
    "states": "stepfunctions",
}
"""Services whose service id in botocore's models is not their name there."""

_KEYWORDS: Mapping[str, str] = {"NULL": "Nul"}
"""Members that Java's keywords forced another name upon."""


@functools.cache
def _services() -> Mapping[str, str]:
    """Returns every service of botocore, by its name without hyphens."""
    return {name.replace("-", ""): name for name in botocore.session.get_session().get_available_services()}


def botocore_service(service: str) -> str | None:
    """Returns what botocore calls the service of a Resource; None for one that it does not know."""
    plain = service.lower().replace("-", "")
    return _BOTOCORE.get(plain) or _services().get(plain)


@functools.lru_cache(1024)
def sdk_service(service: str) -> str | None:
    """Returns what botocore calls a service of the AWS SDK; None for a name that is not its own in the SDK for Java 2.

    That is the service's id without blanks: `sfn`, not `stepfunctions` or `states`; `cloudwatchlogs`, not `logs`.
    """
    plain = service.lower().replace("-", "")
    if plain in _BOTOCORE and plain != "states":
        return _BOTOCORE[plain]
    name = _services().get(plain)
    if name is None or plain == "states":
        return None
    own = wire.model(name).service_id.hyphenize().replace("-", "")
    # `Elastic Load Balancing` and the like leave out what the SDK for Java leaves out, too.
    return name if own in (plain, f"{plain}service") else None


def capitalized(name: str) -> str:
    """`executionArn` -> `ExecutionArn`: the members of an optimized integration."""
    return name[:1].upper() + name[1:]


def sdk_member(name: str) -> str:
    """`DBInstanceIdentifier` -> `DbInstanceIdentifier`, `ETag` -> `ETag`: the members of an AWS SDK integration.

    The letters that a member begins with are one word as long as they are capitals: `SSEKMSKeyId` -> `SsekmsKeyId`.
    """
    if name in _KEYWORDS:
        return _KEYWORDS[name]
    capitals = len(name) - len(name.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    if capitals > 1 and name[capitals : capitals + 1].islower():
        capitals -= 1  # The last of them begins the next word.
    head = max(capitals, 1)
    return capitalized(name[:head].lower() + name[head:])


_WORD = re.compile(r"[A-Z]+(?![a-z])\d*|[A-Z][a-z]+\d*|[a-z]+\d*|\d+")


def sdk_class(name: str) -> str:
    """`DynamoDB` -> `DynamoDb`, `SFN` -> `Sfn`, `KMSInvalidStateException` -> `KmsInvalidStateException`."""
    return "".join(word[:1].upper() + word[1:].lower() for word in _WORD.findall(name))


def exception(shape: str) -> str:
    """Returns the class of an error shape: `NoSuchKey` -> `NoSuchKeyException`, `JobFault` -> `JobException`."""
    return shape if shape.endswith("Exception") else f"{shape.removesuffix('Fault')}Exception"
