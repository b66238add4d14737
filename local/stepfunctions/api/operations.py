"""Which function answers which operation. An operation is one function in its resource's module and one line here.

Each takes the context and the checked request, and answers a document that is then cut to the operation's output; or
`Later`, where that takes a while.
"""

from collections.abc import Mapping

from local.stepfunctions.api import (
    activities,
    aliases,
    definitions,
    executions,
    history,
    machines,
    mapruns,
    redriving,
    starting,
    tags,
    tokens,
    versions,
)
from local.stepfunctions.api.context import Operation

OPERATIONS: Mapping[str, Operation] = {
    "CreateActivity": activities.create,
    "CreateStateMachine": machines.create,
    "CreateStateMachineAlias": aliases.create,
    "DeleteActivity": activities.delete,
    "DeleteStateMachine": machines.delete,
    "DeleteStateMachineAlias": aliases.delete,
    "DeleteStateMachineVersion": versions.delete,
    "DescribeActivity": activities.describe,
    "DescribeExecution": executions.describe,
    "DescribeMapRun": mapruns.describe,
    "DescribeStateMachine": machines.describe,
    "DescribeStateMachineAlias": aliases.describe,
    "DescribeStateMachineForExecution": executions.describe_machine,
    "GetActivityTask": activities.get_task,
    "GetExecutionHistory": history.history,
    "ListActivities": activities.listed,
    "ListExecutions": executions.listed,
    "ListMapRuns": mapruns.listed,
    "ListStateMachineAliases": aliases.listed,
    "ListStateMachineVersions": versions.listed,
    "ListStateMachines": machines.listed,
    "ListTagsForResource": tags.listed,
    "PublishStateMachineVersion": versions.publish,
    "RedriveExecution": redriving.redrive,
    "SendTaskFailure": tokens.failure,
    "SendTaskHeartbeat": tokens.heartbeat,
    "SendTaskSuccess": tokens.success,
    "StartExecution": starting.start,
    "StartSyncExecution": starting.start_sync,
    "StopExecution": executions.stop,
    "TagResource": tags.tag,
    "TestState": definitions.test_state,
    "UntagResource": tags.untag,
    "UpdateMapRun": mapruns.update,
    "UpdateStateMachine": machines.update,
    "UpdateStateMachineAlias": aliases.update,
    "ValidateStateMachineDefinition": definitions.validate,
}

QUICK = frozenset(
    {
        "DescribeExecution",
        "GetActivityTask",
        "SendTaskFailure",
        "SendTaskHeartbeat",
        "SendTaskSuccess",
        "StartExecution",
        "StartSyncExecution",
        "StopExecution",
    }
)
"""They neither write nor ask another service, and read little: answered by the event loop itself."""

SLOW = frozenset({"TestState"})
"""They may call a function: nothing else waits behind them."""
