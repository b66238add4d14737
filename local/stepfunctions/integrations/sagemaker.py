"""SageMaker: what a task creates carries the task's key as a tag.

A name can be given once. Where a crash makes a task create the same thing again, the tag tells that it is there
because of this very task, and the repeat succeeds.
"""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.documents import Json
from local.stepfunctions.integrations import dialects, naming
from local.stepfunctions.integrations.call import Action, Arguments, Call, action
from local.stepfunctions.integrations.task import TaskError

TAG = "headrace:task"
_DIALECT = dialects.OPTIMIZED["sagemaker"]


def perform(call: Call, arguments: Arguments) -> dict[str, Json]:
    client = call.client("sagemaker")
    known = action(client, call.resource.action, _DIALECT)
    assert known is not None
    shape = known.operation.input_shape
    if shape is None or "Tags" not in shape.members:
        return _answered(known, known.perform(call, arguments))
    own = arguments.get("Tags") or []
    tags = [*own, {"Key": TAG, "Value": call.key}] if isinstance(own, list) else own
    try:
        return _answered(known, known.perform(call, {**arguments, "Tags": tags}))
    except TaskError as error:
        arn = _made_before(client, call, arguments) if _is_taken(error) else None
        if arn is None:
            raise
        return {f"{_noun(call)}Arn": arn, "ResponseMetadata": {}}


def _answered(known: Action, response: dict[str, Json]) -> dict[str, Json]:
    return known.result(response) | {"ResponseMetadata": response.get("ResponseMetadata", {})}


def _noun(call: Call) -> str:
    """`createTrainingJob` -> `TrainingJob`."""
    return naming.capitalized(call.resource.action).removeprefix("Create")


def _is_taken(error: TaskError) -> bool:
    return (error.error or "").endswith("ResourceInUseException") or "already exist" in (error.cause or "")


def _made_before(client: Any, call: Call, arguments: Arguments) -> str | None:
    """Returns the ARN of what has this name, where this task made it."""
    noun = _noun(call)
    describe = action(client, f"describe{noun}", _DIALECT)
    if describe is None:
        return None
    try:
        arn: str = describe.perform(call, {f"{noun}Name": arguments.get(f"{noun}Name")})[f"{noun}Arn"]
        tags = client.list_tags(ResourceArn=arn)["Tags"]
    except (TaskError, ClientError, BotoCoreError, KeyError):
        return None
    return arn if {"Key": TAG, "Value": call.key} in tags else None
