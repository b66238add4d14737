"""Pipeline definitions in few words, and waiting for the end of an execution."""

import json
from typing import Any

from local.sagemaker.machine.events import PIPELINE_EXECUTION, PIPELINE_STEP
from tests.unit.local.sagemaker.cloud import ROLE
from tests.unit.local.sagemaker.conftest import World
from tests.unit.local.sagemaker.jobs.requests import processing_request

TOKEN = "t" * 32


def definition(*steps: dict[str, Any], parameters: list[dict[str, Any]] | None = None) -> str:
    return json.dumps({"Version": "2020-12-01", "Metadata": {}, "Parameters": parameters or [], "Steps": steps})


def step(name: str, kind: str, arguments: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"Name": name, "Type": kind, "Arguments": arguments or {}, **more}


def processing_step(name: str, arguments: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    request = {**processing_request("x"), **(arguments or {})}
    del request["ProcessingJobName"]
    return step(name, "Processing", request, **more)


def fail_step(name: str, message: Any = "no", **more: Any) -> dict[str, Any]:
    return step(name, "Fail", {"ErrorMessage": message}, **more)


def condition_step(name: str, conditions: list[Any], if_steps: list[Any], else_steps: list[Any]) -> dict[str, Any]:
    return step(name, "Condition", {"Conditions": conditions, "IfSteps": if_steps, "ElseSteps": else_steps})


def lambda_step(name: str, arguments: dict[str, Any], *outputs: str, **more: Any) -> dict[str, Any]:
    declared = [{"OutputName": output, "OutputType": "String"} for output in outputs]
    return step(name, "Lambda", arguments, FunctionArn=f"fn:{name}", OutputParameters=declared, **more)


def callback_step(name: str, arguments: dict[str, Any], *outputs: str, **more: Any) -> dict[str, Any]:
    declared = [{"OutputName": output, "OutputType": "String"} for output in outputs]
    return step(name, "Callback", arguments, SqsQueueUrl="q", OutputParameters=declared, **more)


def token_of(world: World, name: str, arn: str) -> str:
    """The callback token of a step, once it waits."""
    world.cloud.await_event(
        lambda event: (
            event.detail_type == PIPELINE_STEP
            and event.detail["pipelineExecutionArn"] == arn
            and event.detail["stepName"] == name
            and "callback" in event.detail["metadata"]
        )
    )
    token: str = steps(world, arn)[name]["Metadata"]["Callback"]["CallbackToken"]
    return token


def get(path: str) -> dict[str, str]:
    return {"Get": path}


def create(world: World, text: str, name: str = "p") -> None:
    world.client.create_pipeline(PipelineName=name, PipelineDefinition=text, RoleArn=ROLE, ClientRequestToken=TOKEN)


def start(world: World, name: str = "p", token: str = TOKEN, more: Any = None, **parameters: str) -> str:
    """`more` are further members of the request."""
    given = [{"Name": key, "Value": value} for key, value in parameters.items()]
    answer = world.client.start_pipeline_execution(
        PipelineName=name,
        ClientRequestToken=token,
        PipelineParameters=given,
        PipelineExecutionDisplayName="job-1",
        **(more or {}),
    )
    arn: str = answer["PipelineExecutionArn"]
    return arn


def ended(world: World, arn: str, since: int = 0) -> dict[str, Any]:
    """The execution's description once it has ended."""
    world.cloud.await_event(
        lambda event: (
            event in world.cloud.events[since:]
            and event.detail_type == PIPELINE_EXECUTION
            and event.detail["pipelineExecutionArn"] == arn
            and event.detail["currentPipelineExecutionStatus"] in ("Succeeded", "Failed", "Stopped")
        )
    )
    answer: dict[str, Any] = world.client.describe_pipeline_execution(PipelineExecutionArn=arn)
    return answer


def steps(world: World, arn: str) -> dict[str, dict[str, Any]]:
    answer = world.client.list_pipeline_execution_steps(PipelineExecutionArn=arn, SortOrder="Ascending")
    return {one["StepName"]: one for one in answer["PipelineExecutionSteps"]}


def run(world: World, text: str, **parameters: str) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Create, start and await pipeline `p`; answers the execution and its steps."""
    create(world, text)
    arn = start(world, **parameters)
    return ended(world, arn), steps(world, arn)
