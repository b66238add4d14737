"""What `.sync` waits for: jobs at an endpoint whose answers the test writes down."""

import json
import threading
from typing import Any

import pytest

from local.stepfunctions.asl.resources import OPTIMIZED
from local.stepfunctions.integrations import Integrations, dialects, jobs, naming
from local.stepfunctions.integrations.call import action
from local.stepfunctions.integrations.sagemaker import TAG
from tests.unit.local.stepfunctions.integrations.conftest import Perform
from tests.unit.local.stepfunctions.integrations.endpoints import Asked, Endpoint, Reply, answer, cut_off, refuse
from tests.unit.local.stepfunctions.integrations.tasks import RecordedWorld

JOB_ARN = "arn:aws:sagemaker:us-east-1:000000000000:training-job/j"
TRAINING: dict[str, Any] = {
    "TrainingJobName": "j",
    "AlgorithmSpecification": {"TrainingImage": "i", "TrainingInputMode": "File"},
    "RoleArn": "arn:aws:iam::000000000000:role/headrace-role",
    "OutputDataConfig": {"S3OutputPath": "s3://b/p"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
}


def trains(endpoint: Endpoint, *statuses: str) -> None:
    """A training job which is in these states, one after the other."""
    left = list(statuses)

    def describe(_: Asked) -> Reply:
        status = left.pop(0) if len(left) > 1 else left[0]
        described = {"TrainingJobArn": JOB_ARN, "TrainingJobStatus": status, "CreationTime": 1700000000.25}
        return answer({**TRAINING, **described, "FailureReason": "AlgorithmError"})

    endpoint.replies["CreateTrainingJob"] = lambda _: answer({"TrainingJobArn": JOB_ARN})
    endpoint.replies["DescribeTrainingJob"] = describe
    endpoint.replies["StopTrainingJob"] = lambda _: answer({})


def test_training_job_is_waited_for_and_told_as_it_is_described(endpoint: Endpoint, perform: Perform) -> None:
    trains(endpoint, "InProgress", "InProgress", "Completed")
    task = perform("sagemaker:createTrainingJob.sync", TRAINING)
    submitted = json.loads(str(task.wait("submitted", "failed")[1]))
    assert submitted["TrainingJobArn"] == JOB_ARN
    assert "SdkHttpMetadata" in submitted
    told = json.loads(task.output())
    assert (told["TrainingJobName"], told["TrainingJobStatus"], told["CreationTime"]) == (
        "j",
        "Completed",
        1700000000250,
    )
    assert [one[0] for one in task.log] == ["started", "submitted", "succeeded"]


@pytest.mark.parametrize("status", ["Failed", "Stopped"])
def test_job_that_ends_badly_fails_the_task_with_its_description(
    endpoint: Endpoint, perform: Perform, status: str
) -> None:
    trains(endpoint, status)
    error, cause = perform("sagemaker:createTrainingJob.sync", TRAINING).failure()
    assert error == "States.TaskFailed"
    told = json.loads(cause)
    assert (told["TrainingJobStatus"], told["FailureReason"]) == (status, "AlgorithmError")


def test_errors_of_sagemaker_are_named_as_its_sdk_names_them(endpoint: Endpoint, perform: Perform) -> None:
    endpoint.replies["CreateModel"] = lambda _: refuse("ValidationException", "no such role")
    arguments = {"ModelName": "m", "ExecutionRoleArn": TRAINING["RoleArn"]}
    error, cause = perform("sagemaker:createModel", arguments).failure()
    assert error == "SageMaker.AmazonSageMakerException"
    said = "no such role (Service: AmazonSageMaker; Status Code: 400; Error Code: ValidationException; Request ID: "
    assert cause.startswith(said)
    endpoint.replies["CreateModel"] = lambda _: refuse("ResourceLimitExceeded", "too many")
    assert perform("sagemaker:createModel", arguments).failure()[0] == "SageMaker.ResourceLimitExceededException"


def taken(endpoint: Endpoint, tags: list[dict[str, str]]) -> None:
    endpoint.replies["CreateTrainingJob"] = lambda _: refuse("ResourceInUse", "Job name must be unique")
    endpoint.replies["ListTags"] = lambda _: answer({"Tags": tags})


def test_repeat_after_a_crash_goes_on_with_the_job_that_it_made(endpoint: Endpoint, perform: Perform) -> None:
    trains(endpoint, "Completed")
    key = "00000000-0000-4000-8000-000000000001"
    taken(endpoint, [{"Key": TAG, "Value": key}])
    told = json.loads(perform("sagemaker:createTrainingJob.sync", TRAINING, key=key).output())
    assert told["TrainingJobStatus"] == "Completed"


def test_name_of_another_job_fails_the_task(endpoint: Endpoint, perform: Perform) -> None:
    trains(endpoint, "Completed")
    taken(endpoint, [{"Key": TAG, "Value": "another"}])
    error, _ = perform("sagemaker:createTrainingJob.sync", TRAINING).failure()
    assert error == "SageMaker.ResourceInUseException"


def test_submitted_task_makes_no_second_job(endpoint: Endpoint, perform: Perform) -> None:
    trains(endpoint, "InProgress", "Completed")
    task = perform("sagemaker:createTrainingJob.sync", TRAINING, started=True, submission="{}")
    task.output()
    assert [one[0] for one in task.log] == ["succeeded"]
    assert set(endpoint.operations()) == {"DescribeTrainingJob"}


def test_cancelled_task_stops_its_job(endpoint: Endpoint, perform: Perform, integrations: Integrations) -> None:
    stopped = threading.Event()
    trains(endpoint, "InProgress")

    def stop(asked: Asked) -> Reply:
        assert asked.json == {"TrainingJobName": "j"}
        stopped.set()
        return answer({})

    endpoint.replies["StopTrainingJob"] = stop
    task = perform("sagemaker:createTrainingJob.sync", TRAINING)
    task.wait("submitted")
    integrations.cancel(task.key)
    assert stopped.wait(10)
    integrations.close()
    assert [one[0] for one in task.log] == ["started", "submitted"]


def test_job_whose_task_is_cancelled_while_it_is_being_made_is_stopped(
    endpoint: Endpoint, perform: Perform, integrations: Integrations
) -> None:
    asked_for, release, stopped = threading.Event(), threading.Event(), threading.Event()
    trains(endpoint, "InProgress")

    def create(_: Asked) -> Reply:
        asked_for.set()
        assert release.wait(10)
        return answer({"TrainingJobArn": JOB_ARN})

    def stop(_: Asked) -> Reply:
        stopped.set()
        return answer({})

    endpoint.replies |= {"CreateTrainingJob": create, "StopTrainingJob": stop}
    task = perform("sagemaker:createTrainingJob.sync", TRAINING)
    assert asked_for.wait(10)
    integrations.cancel(task.key)
    release.set()
    assert stopped.wait(10)
    assert [one[0] for one in task.log] == ["started"]


def test_unreachable_endpoint_is_asked_again(endpoint: Endpoint, perform: Perform) -> None:
    trains(endpoint, "Completed")
    describe, broken = endpoint.replies["DescribeTrainingJob"], iter([True, True, False])

    def sometimes(asked: Asked) -> Reply:
        # The client tries twice by itself.
        return cut_off() if next(broken, False) else describe(asked)

    endpoint.replies["DescribeTrainingJob"] = sometimes
    assert (
        json.loads(perform("sagemaker:createTrainingJob.sync", TRAINING).output())["TrainingJobStatus"] == "Completed"
    )


def test_glue_job_run_is_told_without_its_envelope(endpoint: Endpoint, perform: Perform) -> None:
    endpoint.replies["StartJobRun"] = lambda _: answer({"JobRunId": "r"})
    endpoint.replies["GetJobRun"] = lambda asked: answer(
        {"JobRun": {"Id": "r", "JobRunState": "SUCCEEDED", **asked.json}}
    )
    told = json.loads(perform("glue:startJobRun.sync", {"JobName": "j"}).output())
    assert (told["Id"], told["JobRunState"], told["JobName"]) == ("r", "SUCCEEDED", "j")
    endpoint.replies["GetJobRun"] = lambda _: answer({"JobRun": {"Id": "r", "JobRunState": "FAILED"}})
    error, cause = perform("glue:startJobRun.sync", {"JobName": "j"}).failure()
    assert (error, json.loads(cause)["JobRunState"]) == ("States.TaskFailed", "FAILED")


@pytest.mark.parametrize(("code", "outcome"), [(0, "succeeded"), (1, "failed")])
def test_container_task_is_as_good_as_its_exit_codes(
    endpoint: Endpoint, perform: Perform, code: int, outcome: str
) -> None:
    task = {"taskArn": "t", "lastStatus": "STOPPED", "containers": [{"exitCode": code}]}
    endpoint.replies["RunTask"] = lambda _: answer({"tasks": [{"taskArn": "t"}]})
    endpoint.replies["DescribeTasks"] = lambda _: answer({"tasks": [task]})
    said = perform("ecs:runTask.sync", {"TaskDefinition": "d", "Cluster": "c"}).wait("succeeded", "failed")
    assert said[0] == outcome
    assert json.loads(str(said[-1]))["Containers"] == [{"ExitCode": code}]


def test_client_token_is_the_tasks_key(endpoint: Endpoint, perform: Perform) -> None:
    endpoint.replies["StartQueryExecution"] = lambda _: answer({"QueryExecutionId": "q"})
    task = perform("athena:startQueryExecution", {"QueryString": "select 1"})
    task.output()
    assert endpoint.asked[0].json["ClientRequestToken"] == task.key


def test_emr_actions_go_by_the_services_own_names(endpoint: Endpoint, perform: Perform) -> None:
    endpoint.replies["AddJobFlowSteps"] = lambda _: answer({"StepIds": ["s"]})
    step = {"Name": "n", "HadoopJarStep": {"Jar": "j"}}
    told = json.loads(perform("elasticmapreduce:addStep", {"ClusterId": "c", "Step": step}).output())
    assert told["StepIds"] == ["s"]
    assert endpoint.asked[0].json == {"JobFlowId": "c", "Steps": [step]}


@pytest.mark.parametrize(("service", "name"), list(jobs.WAITED))
def test_every_row_names_actions_and_members_that_the_service_has(
    world: RecordedWorld, service: str, name: str
) -> None:
    row = jobs.WAITED[service, name]
    assert name in OPTIMIZED[service]
    client = world.client(naming.botocore_service(service) or "")
    asked = [(row.describe, row.by)]
    if row.stop is not None:
        asked.append((row.stop, row.stop_by or row.by))
    for operation, by in asked:
        found = action(client, operation, dialects.OPTIMIZED[service])
        assert found is not None, operation
        shape = found.operation.input_shape
        assert shape is not None
        members = {naming.capitalized(member) for member in shape.members}
        assert {member.removesuffix("[]") for member in by} <= members


def test_action_that_cannot_be_waited_for_is_not_begun(endpoint: Endpoint, perform: Perform) -> None:
    error, cause = perform("sagemaker:createModel.sync", {"ModelName": "m"}).failure()
    assert error == "States.Runtime"
    assert cause == "The local cloud cannot wait for 'arn:aws:states:::sagemaker:createModel.sync'"
    assert endpoint.asked == []
