"""One call of a service for a task: the request made of its arguments, sent, and answered or failed as AWS does."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.model import OperationModel, ServiceModel

from local.documents import Json
from local.stepfunctions.asl import errors
from local.stepfunctions.asl.documents import encode
from local.stepfunctions.asl.resources import Resource
from local.stepfunctions.integrations import naming, shapes
from local.stepfunctions.integrations.clients import ClientOf
from local.stepfunctions.integrations.dialects import Dialect
from local.stepfunctions.integrations.task import TaskError, Unreachable, World

Arguments = Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Call:
    """What an integration knows of the task it carries out."""

    resource: Resource
    arguments: Any
    state: str
    entered: int
    """The event that entered the state."""
    key: str
    execution_arn: str
    machine_arn: str
    repeated: bool
    """A crash interrupted an earlier try."""
    credentials: str | None
    client: ClientOf
    world: World

    @property
    def fields(self) -> Arguments:
        """The arguments of a service's action. Raises TaskError."""
        if not isinstance(self.arguments, dict):
            raise self.refused(["The value of Parameters must be an OBJECT"])
        return self.arguments

    def refused(self, problems: list[str]) -> TaskError:
        """Makes the error for arguments that no request can be made of."""
        return TaskError(
            errors.RUNTIME,
            f"An error occurred while executing the state '{self.state}' (entered at the event id #{self.entered}). "
            f"The Parameters '{encode(self.arguments)}' could not be used to start the Task: [{', '.join(problems)}]",
        )


@dataclass(frozen=True, slots=True)
class Action:
    """An operation of a service, and how its errors are told."""

    client: Any
    operation: OperationModel
    dialect: Dialect

    @property
    def model(self) -> ServiceModel:
        return self.operation.service_model

    def parameters(self, call: Call, arguments: Arguments) -> dict[str, Json]:
        """Checked and spelled as botocore wants them. Raises TaskError."""
        made, problems = shapes.request(self.operation.input_shape, arguments)
        if problems:
            raise call.refused(problems)
        for token in self.operation.idempotent_members:
            # The same after a crash, so that a service which heeds it starts the work once.
            made.setdefault(token, call.key)
        absent = shapes.missing(self.operation.input_shape, made)
        if absent:
            raise self.dialect.refused(*_absent(self.model.service_name, absent))
        return made

    def send(self, parameters: Mapping[str, Json]) -> dict[str, Json]:
        """botocore's answer. Raises TaskError."""
        try:
            response: dict[str, Json] = getattr(self.client, xform_name(self.operation.name))(**parameters)
        except ClientError as error:
            raise self.dialect.failure(self.model, error) from error
        except ParamValidationError as error:
            raise self.dialect.refused("ValidationException", str(error.kwargs.get("report", error))) from error
        except (BotoCoreError, OSError) as error:
            raise Unreachable(f"{self.dialect.prefix}.SdkClientException", str(error)) from error
        return response

    def perform(self, call: Call, arguments: Arguments) -> dict[str, Json]:
        return self.send(self.parameters(call, arguments))

    def result(self, response: Mapping[str, Json]) -> dict[str, Json]:
        made: dict[str, Json] = shapes.result(self.operation.output_shape, response, sdk=self.dialect.sdk)
        return made


def action(client: Any, name: str, dialect: Dialect) -> Action | None:
    """Returns the action `name`, as in a Resource; None for one that the service does not have."""
    model: ServiceModel = client.meta.service_model
    operation = naming.capitalized(name)
    if operation not in model.operation_names:
        alike = [spelled for spelled in model.operation_names if spelled.lower() == name.lower()]
        if not alike:
            return None
        operation = alike[0]
    return Action(client, model.operation_model(operation), dialect)


def _absent(service: str, members: list[str]) -> tuple[str, str]:
    """Returns the code and message of a request without required members."""
    if service == "sqs":
        return "MissingParameter", f"The request must contain the parameter {members[0]}."
    problems = [
        f"Value null at '{name[:1].lower()}{name[1:]}' failed to satisfy constraint: Member must not be null"
        for name in members
    ]
    count = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected"
    return "ValidationException", f"{count}: {'; '.join(problems)}"
