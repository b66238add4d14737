"""Task states: the resource, the time it may take, and the role it takes on."""

from local.stepfunctions.asl import resources
from local.stepfunctions.asl.fields import Fields
from local.stepfunctions.asl.machine.machine import Evaluate, State, TaskState
from local.stepfunctions.asl.resources import Pattern, Resource, ResourceKind
from local.stepfunctions.asl.states.contents import Contents
from local.stepfunctions.asl.states.flow_fields import end_of, flow_of
from local.stepfunctions.asl.states.retry_and_catch import faults


def compile_task(contents: Contents, name: str, fields: Fields) -> State | None:
    resource = _resource(contents, fields)
    next_state, flow = end_of(fields), flow_of(fields, task=True)
    retriers, catchers = faults(fields)
    timeout, heartbeat, role = fields.seconds("TimeoutSeconds"), fields.seconds("HeartbeatSeconds"), _role(fields)
    if resource is None:
        return None
    return TaskState(
        name=name, next=next_state, jsonata=fields.jsonata, flow=flow, retriers=retriers, catchers=catchers,
        resource=resource, timeout=timeout, heartbeat=heartbeat, credentials=role,
    )  # fmt: skip


def _resource(contents: Contents, fields: Fields) -> Resource | None:
    arn = fields.text("Resource")
    if not fields.require("Resource") or arn is None:
        return None
    resource = resources.parse(arn)
    if resource is None:
        fields.problem(
            f"The resource provided {arn} is not recognized. The value is not a valid resource ARN, or the resource "
            "is not available in this region.",
            "Resource",
        )
        return None
    if contents.express and resource.pattern is not Pattern.REQUEST_RESPONSE:
        pattern = resource.pattern.value
        fields.problem(f"Express state machine does not support '{pattern}' service integration ", "Resource")
    if contents.express and resource.kind is ResourceKind.ACTIVITY:
        fields.problem("Express state machine does not support Activity ARN", "Resource")
    return resource


def _role(fields: Fields) -> Evaluate | None:
    """Credentials.RoleArn."""
    credentials = fields.mapping("Credentials")
    if credentials is None:
        return None
    below = fields.below(credentials, "Credentials")
    if "RoleArn" not in credentials and "RoleArn.$" not in credentials:
        below.problem("The field 'RoleArn' is required but was missing")
        return None
    if fields.jsonata:
        template = below.jsonata_template("RoleArn")
        return None if template is None else lambda scope, _root: template(scope)
    compiled = fields.template("Credentials", task=True)
    return None if compiled is None else lambda scope, root: compiled(root, scope)["RoleArn"]
