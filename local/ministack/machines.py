"""The Step Functions resources of a template, made and changed through the engine's API.

MiniStack writes state machines into a dictionary of its own, unchecked, and has no versions, aliases or activities.
"""

from collections.abc import Callable, Mapping
from typing import Any

from local import definitions
from local.stepfunctions.api.errors import ApiError

Call = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
Properties = Mapping[str, Any]
Made = tuple[str, dict[str, Any]]
"""The physical id, which `Ref` answers, and what `Fn::GetAtt` answers."""

MACHINE = "AWS::StepFunctions::StateMachine"
VERSION = "AWS::StepFunctions::StateMachineVersion"
ALIAS = "AWS::StepFunctions::StateMachineAlias"
ACTIVITY = "AWS::StepFunctions::Activity"

# The revision of a state machine that was never updated.
_INITIAL = "INITIAL"
_NO_LOGGING = {"level": "OFF", "includeExecutionData": False}
_STACK, _LOGICAL_ID = "aws:cloudformation:stack-name", "aws:cloudformation:logical-id"


def install(call: Call, provisioners: Any) -> None:
    """Put our handlers into MiniStack's table of resource types."""
    resources = Resources(call, provisioners)
    handlers: dict[str, dict[str, Any]] = {
        MACHINE: {
            "create": resources.create_machine,
            "update": resources.update_machine,
            "update_with_logical_id": True,
            "delete": resources.delete_machine,
        },
        VERSION: {"create": resources.create_version, "delete": resources.delete_version},
        ALIAS: {
            "create": resources.create_alias,
            "update": resources.update_alias,
            "delete": resources.delete_alias,
        },
        ACTIVITY: {
            "create": resources.create_activity,
            "update": resources.update_activity,
            "delete": resources.delete_activity,
        },
    }
    provisioners._RESOURCE_HANDLERS.update(handlers)
    provisioners._REPLACING_PROPERTIES.update(
        {
            VERSION: ("Description", "StateMachineArn", "StateMachineRevisionId"),
            ALIAS: ("Name",),
            ACTIVITY: ("Name", "EncryptionConfiguration"),
        }
    )
    provisioners._STACK_TAG_PROPERTY[ACTIVITY] = ("Tags", "list")


class Resources:
    """Handlers in the shape that MiniStack calls. An error fails the stack with AWS's words."""

    def __init__(self, call: Call, provisioners: Any) -> None:
        self._service = call
        self._ministack = provisioners

    def create_machine(self, logical_id: str, props: Properties, stack: str) -> Made:
        tags = _tags(props)
        request = {
            **self._machine(props),
            "name": props.get("StateMachineName") or self._ministack._physical_name(stack, logical_id, max_len=80),
            "type": props.get("StateMachineType", "STANDARD"),
            "tags": [{"key": key, "value": value} for key, value in tags.items()],
        }
        try:
            arn = self._service("CreateStateMachine", request)["stateMachineArn"]
        except ApiError as error:
            arn = self._ministack_arn(request["name"])
            if error.code != "StateMachineAlreadyExists" or not self._is_ours(arn, tags):
                raise self._refused(error) from error
            # The cloud was killed before it had written down that this stack made it.
            self._call("UpdateStateMachine", {"stateMachineArn": arn, **self._machine(props)})
        return arn, self._attributes(arn)

    def update_machine(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str | None = None
    ) -> Made:
        logical = logical_id or physical_id
        replaced = self._ministack._rename_replacement(
            physical_id,
            old,
            new,
            stack,
            logical_id,
            new.get("StateMachineName") or self._ministack._physical_name(stack, logical, max_len=80),
            self._name(physical_id),
            self.create_machine,
            self.delete_machine,
        )
        if replaced is not None:
            made: Made = replaced
            return made
        request = {"stateMachineArn": physical_id, **self._machine(new)}
        # A property that the template never had may have been set by somebody else; one it dropped is reset.
        for name, key, value in (
            ("LoggingConfiguration", "loggingConfiguration", _NO_LOGGING),
            ("TracingConfiguration", "tracingConfiguration", {"enabled": False}),
        ):
            if name in old and name not in new:
                request[key] = value
        self._call("UpdateStateMachine", request)
        self._retag(physical_id, _tags(old), _tags(new))
        return physical_id, self._attributes(physical_id)

    def delete_machine(self, physical_id: str, _: Properties) -> None:
        self._call("DeleteStateMachine", {"stateMachineArn": physical_id})

    def create_version(self, _: str, props: Properties, __: str) -> Made:
        request = {"stateMachineArn": props.get("StateMachineArn", "")}
        for name, key in (("StateMachineRevisionId", "revisionId"), ("Description", "description")):
            if name in props:
                request[key] = props[name]
        arn = self._call("PublishStateMachineVersion", request)["stateMachineVersionArn"]
        return arn, {"Arn": arn}

    def delete_version(self, physical_id: str, _: Properties) -> None:
        self._call("DeleteStateMachineVersion", {"stateMachineVersionArn": physical_id})

    def create_alias(self, logical_id: str, props: Properties, stack: str) -> Made:
        name = props.get("Name") or self._ministack._physical_name(stack, logical_id, max_len=80)
        arn = self._call("CreateStateMachineAlias", {"name": name, **_alias(props)})["stateMachineAliasArn"]
        return arn, {"Arn": arn}

    def update_alias(self, physical_id: str, _: Properties, new: Properties, __: str) -> Made:
        self._call("UpdateStateMachineAlias", {"stateMachineAliasArn": physical_id, **_alias(new)})
        return physical_id, {"Arn": physical_id}

    def delete_alias(self, physical_id: str, _: Properties) -> None:
        self._call("DeleteStateMachineAlias", {"stateMachineAliasArn": physical_id})

    def create_activity(self, logical_id: str, props: Properties, stack: str) -> Made:
        name = props.get("Name") or self._ministack._physical_name(stack, logical_id, max_len=80)
        request: dict[str, Any] = {
            "name": name,
            "tags": [{"key": key, "value": value} for key, value in _tags(props).items()],
        }
        if "EncryptionConfiguration" in props:
            request["encryptionConfiguration"] = _lowered(props["EncryptionConfiguration"])
        arn = self._call("CreateActivity", request)["activityArn"]
        return arn, {"Arn": arn, "Name": name}

    def update_activity(self, physical_id: str, old: Properties, new: Properties, _: str) -> Made:
        self._retag(physical_id, _tags(old), _tags(new))
        return physical_id, {"Arn": physical_id, "Name": physical_id.rpartition(":")[2]}

    def delete_activity(self, physical_id: str, _: Properties) -> None:
        self._call("DeleteActivity", {"activityArn": physical_id})

    def _machine(self, props: Properties) -> dict[str, Any]:
        request = {"definition": definitions.as_json(self._ministack._sfn_definition(props))}
        request["roleArn"] = props.get("RoleArn") or self._default_role()
        if "LoggingConfiguration" in props:
            request["loggingConfiguration"] = _lowered(props["LoggingConfiguration"])
        if "TracingConfiguration" in props:
            request["tracingConfiguration"] = _lowered(props["TracingConfiguration"])
        if "EncryptionConfiguration" in props:
            # Checked against the resource's schema first, as the handler on AWS does.
            self._ministack._sfn_encryption(props["EncryptionConfiguration"])
            request["encryptionConfiguration"] = _lowered(props["EncryptionConfiguration"])
        return request

    def _default_role(self) -> str:
        return f"arn:aws:iam::{self._ministack.get_account_id()}:role/StepFunctionsRole"

    def _ministack_arn(self, name: str) -> str:
        account, region = self._ministack.get_account_id(), self._ministack.get_region()
        return f"arn:aws:states:{region}:{account}:stateMachine:{name}"

    def _is_ours(self, arn: str, tags: Mapping[str, str]) -> bool:
        listed = self._call("ListTagsForResource", {"resourceArn": arn})["tags"]
        known = {tag["key"]: tag.get("value", "") for tag in listed}
        return _STACK in tags and all(known.get(key) == tags.get(key) for key in (_STACK, _LOGICAL_ID))

    def _name(self, arn: str) -> str | None:
        try:
            machine = self._service("DescribeStateMachine", {"stateMachineArn": arn})
        except ApiError:
            return None
        return None if machine.get("status") == "DELETING" else str(machine["name"])

    def _attributes(self, arn: str) -> dict[str, Any]:
        machine = self._call("DescribeStateMachine", {"stateMachineArn": arn})
        return {"Arn": arn, "Name": machine["name"], "StateMachineRevisionId": machine.get("revisionId", _INITIAL)}

    def _retag(self, arn: str, old: Mapping[str, str], new: Mapping[str, str]) -> None:
        if dropped := sorted(old.keys() - new.keys()):
            self._call("UntagResource", {"resourceArn": arn, "tagKeys": dropped})
        changed = [{"key": key, "value": value} for key, value in new.items() if old.get(key) != value]
        if changed:
            self._call("TagResource", {"resourceArn": arn, "tags": changed})

    def _call(self, operation: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return self._service(operation, request)
        except ApiError as error:
            raise self._refused(error) from error

    def _refused(self, error: ApiError) -> Exception:
        text = self._ministack._sdk_error(error.message, "Sfn", error.status)
        refused: Exception = self._ministack._sfn_handler_error(text)
        return refused


def _tags(props: Properties) -> dict[str, str]:
    return {str(tag.get("Key", "")): str(tag.get("Value", "")) for tag in props.get("Tags") or []}


def _alias(props: Properties) -> dict[str, Any]:
    """Makes an alias; a gradual deployment (DeploymentPreference) is made at once, as there is no traffic to shift."""
    preferred = (props.get("DeploymentPreference") or {}).get("StateMachineVersionArn")
    routes = [{"StateMachineVersionArn": preferred, "Weight": 100}] if preferred else props["RoutingConfiguration"]
    request: dict[str, Any] = {"routingConfiguration": [_lowered(route) for route in routes]}
    if "Description" in props:
        request["description"] = props["Description"]
    return request


def _lowered(value: Any) -> Any:
    """Returns a property of a template as the API spells it: `LogGroupArn` is `logGroupArn`, and numbers come
    as text.
    """
    if isinstance(value, Mapping):
        return {key[:1].lower() + key[1:]: _scalar(key, _lowered(item)) for key, item in value.items()}
    if isinstance(value, list):
        return [_lowered(item) for item in value]
    return value


_BOOLEANS, _NUMBERS = {"IncludeExecutionData", "Enabled"}, {"Weight", "KmsDataKeyReusePeriodSeconds"}


def _scalar(key: str, value: Any) -> Any:
    if isinstance(value, str) and key in _BOOLEANS:
        return value.lower() == "true"
    return int(value) if isinstance(value, str) and key in _NUMBERS and value.isdigit() else value
