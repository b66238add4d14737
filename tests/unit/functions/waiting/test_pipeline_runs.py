"""Starting a pipeline for a job, following its steps, and telling its end to the state that waits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions import start_pipeline, track_pipeline
from functions.aws import times
from functions.jobs import ids, jobs
from functions.jobs.errors import PipelineNotStarted, PipelinesAtLimit, PipelineThrottled
from functions.jobs.job import Job, Kind, Status
from functions.jobs.jobs import Progress
from functions.waiting import waits
from functions.waiting.waits import WaitKind
from tests.unit.functions.cloud import ARTIFACTS, Cloud, Context, client_error, execution, new_job

JOB_ID = ids.derived("b", "k", "v")
PIPELINE = "headrace-test-decision-trees"
ARN = f"arn:aws:sagemaker:us-east-1:000000000000:pipeline/{PIPELINE}/execution/e1"
STEPS = ["Process", "Train", "Evaluate", "CheckQuality", "Register", "Deploy"]
CLAIMED = {
    "decision": "started",
    "job_id": JOB_ID,
    "pipeline_name": PIPELINE,
    "input_uri": "s3://b/año 1+1/k.csv",
    "hyperparameters": {"max_depth": 3, "rate": 0.5},
}


@pytest.fixture(autouse=True)
def _job(cloud: Cloud) -> None:
    row = new_job(
        JOB_ID, Kind.TRAINING, Status.INPROGRESS, times.iso(cloud.clock()), steps=STEPS, execution=execution("e1")
    )
    jobs.create(cloud.services, row)


def start(token: str = "t1", **changes: Any) -> None:
    start_pipeline.handler({"token": token, "job": CLAIMED | changes}, Context())


def job(cloud: Cloud) -> Job:
    found = jobs.get(cloud.services, JOB_ID)
    assert found is not None
    return found


def ended(status: str, **more: Any) -> dict[str, Any]:
    detail = {
        "pipelineExecutionArn": ARN,
        "pipelineExecutionDisplayName": JOB_ID,
        "currentPipelineExecutionStatus": status,
        "previousPipelineExecutionStatus": "Executing",
    }
    return {"detail": detail | more}


def step(name: str, status: str, **metadata: Any) -> dict[str, Any]:
    detail = {"pipelineExecutionArn": ARN, "stepName": name, "currentStepStatus": status, "metadata": metadata}
    return {"detail": detail}


def track(event: dict[str, Any]) -> None:
    track_pipeline.handler(event, Context())


def failed_step(cloud: Cloud, name: str, reason: str = "ClientError: it failed", **metadata: Any) -> None:
    cloud.sagemaker.steps[ARN] = [
        {"StepName": "Earlier", "StepStatus": "Succeeded", "Metadata": {}},
        {"StepName": name, "StepStatus": "Failed", "FailureReason": reason, "Metadata": metadata},
    ]


def cause(cloud: Cloud) -> tuple[str, str]:
    ((_, how, what),) = cloud.stepfunctions.sent
    assert how == "failure"
    assert isinstance(what, tuple)
    return what


def test_a_pipeline_is_started_once_for_its_job(cloud: Cloud) -> None:
    start()
    (request,) = cloud.sagemaker.called("start_pipeline_execution")
    assert request == {
        "PipelineName": PIPELINE,
        "PipelineExecutionDisplayName": JOB_ID,
        "ClientRequestToken": ids.client_request_token(JOB_ID),
        "PipelineParameters": [
            {"Name": "JobId", "Value": JOB_ID},
            {"Name": "InputUri", "Value": "s3://b/año 1+1/k.csv"},
            {"Name": "max_depth", "Value": "3"},
            {"Name": "rate", "Value": "0.5"},
        ],
    }
    assert job(cloud).links["pipeline_execution"] == ARN


def test_without_a_dataset_there_is_no_input_uri(cloud: Cloud) -> None:
    start(input_uri="", hyperparameters={})
    (request,) = cloud.sagemaker.called("start_pipeline_execution")
    assert request["PipelineParameters"] == [{"Name": "JobId", "Value": JOB_ID}]


def test_the_token_is_stored_before_the_pipeline_starts(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    real = cloud.sagemaker.start_pipeline_execution

    def finishes_at_once(**request: Any) -> dict[str, Any]:
        answer = real(**request)
        track(ended("Succeeded"))
        return answer

    monkeypatch.setattr(cloud.sagemaker, "start_pipeline_execution", finishes_at_once)
    start()
    assert [sent[0] for sent in cloud.stepfunctions.sent] == ["t1"]


@pytest.mark.parametrize("status", ["Succeeded", "Failed", "Stopped"])
def test_a_start_answered_with_an_execution_that_has_ended_ends_the_wait(cloud: Cloud, status: str) -> None:
    start("t1")
    cloud.stepfunctions.over.add("t1")
    cloud.sagemaker.executions[ARN]["PipelineExecutionStatus"] = status
    start("t2")
    assert [sent[:2] for sent in cloud.stepfunctions.sent] == [
        ("t2", "success" if status == "Succeeded" else "failure")
    ]
    assert waits.get(cloud.services, WaitKind.PIPELINE, JOB_ID) is None


def test_a_start_whose_execution_cannot_be_looked_at_is_a_start(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    def throttled(**_: Any) -> Any:
        raise client_error("ThrottlingException", "Rate exceeded")

    monkeypatch.setattr(cloud.sagemaker, "describe_pipeline_execution", throttled)
    start()
    assert waits.get(cloud.services, WaitKind.PIPELINE, JOB_ID) is not None
    assert job(cloud).links["pipeline_execution"] == ARN


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("ResourceNotFound", "does not exist: publish the catalogue first"),
        ("ValidationException", "could not be started: no more"),
    ],
)
def test_a_refused_start_says_why_and_leaves_no_wait(cloud: Cloud, code: str, words: str) -> None:
    cloud.sagemaker.refuse_start = client_error(code, "no more")
    with pytest.raises(PipelineNotStarted, match=words):
        start()
    assert waits.get(cloud.services, WaitKind.PIPELINE, JOB_ID) is None


@pytest.mark.parametrize(
    ("code", "error"), [("ThrottlingException", PipelineThrottled), ("ResourceLimitExceeded", PipelinesAtLimit)]
)
def test_a_refusal_for_now_is_left_to_the_state_that_retries_it_by_name(
    cloud: Cloud, code: str, error: type[Exception]
) -> None:
    cloud.sagemaker.refuse_start = client_error(code, "Rate exceeded")
    with pytest.raises(error):
        start()
    machine = json.loads(Path("state_machines/training.asl.json").read_text())
    retried = [name for retry in machine["States"]["StartPipeline"]["Retry"] for name in retry["ErrorEquals"]]
    assert error.__name__ in retried


def test_steps_show_on_the_job_as_they_begin_and_end(cloud: Cloud) -> None:
    start()
    track(step("Process", "Executing"))
    assert (job(cloud).step, job(cloud).steps_done) == ("Process", 0)
    track(step("Process", "Succeeded"))
    track(step("Train", "Starting"))
    training = "arn:aws:sagemaker:us-east-1:000000000000:training-job/pipelines-e1-Train-abc"
    track(step("Train", "Executing", trainingJob={"arn": training}))
    assert (job(cloud).step, job(cloud).steps_done) == ("Train", 1)
    assert job(cloud).links["training_job"] == "pipelines-e1-Train-abc"


def test_step_events_that_come_twice_or_late_change_nothing(cloud: Cloud) -> None:
    start()
    for event in (
        step("Train", "Executing"),
        step("Process", "Executing"),
        step("Process", "Succeeded"),
        step("Process", "Succeeded"),
        step("Process", "Executing"),
    ):
        track(event)
    assert (job(cloud).step, job(cloud).steps_done) == ("Train", 1)


def test_a_pipeline_that_has_no_job_is_nobodys(cloud: Cloud) -> None:
    start()
    cloud.sagemaker.executions[ARN]["PipelineExecutionDisplayName"] = "by hand"
    track(step("Process", "Executing"))
    track(ended("Succeeded", pipelineExecutionDisplayName="by hand"))
    cloud.sagemaker.executions[ARN]["PipelineExecutionDisplayName"] = ids.derived("x", "y", "z")
    track(step("Process", "Executing"))
    assert job(cloud).step is None
    assert cloud.stepfunctions.sent == []


def test_success_hands_over_the_links_even_if_every_step_event_was_lost(cloud: Cloud) -> None:
    start()
    package = "arn:aws:sagemaker:us-east-1:000000000000:model-package/g/1"
    jobs.note(cloud.services, JOB_ID, Progress(links={"endpoint": PIPELINE}, endpoint_config=f"{PIPELINE}-abc"))
    training = "arn:aws:sagemaker:us-east-1:000000000000:training-job/train-1"
    cloud.sagemaker.steps[ARN] = [
        {"StepName": "Process", "StepStatus": "Succeeded", "Metadata": {"ProcessingJob": {"Arn": "x/p"}}},
        {"StepName": "Train", "StepStatus": "Succeeded", "Metadata": {"TrainingJob": {"Arn": training}}},
        {"StepName": "Register", "StepStatus": "Succeeded", "Metadata": {"RegisterModel": {"Arn": package}}},
    ]
    cloud.sagemaker.page_size = 2
    track(ended("Succeeded"))
    output = {
        "endpoint": PIPELINE,
        "endpoint_config": f"{PIPELINE}-abc",
        "model_package": package,
        "training_job": "train-1",
    }
    assert cloud.stepfunctions.sent == [("t1", "success", output)]
    assert job(cloud).steps_done == 3
    assert waits.get(cloud.services, WaitKind.PIPELINE, JOB_ID) is None


def test_a_second_completion_event_sends_nothing(cloud: Cloud) -> None:
    start()
    track(ended("Succeeded"))
    track(ended("Succeeded"))
    assert len(cloud.stepfunctions.sent) == 1


def test_a_pipeline_without_an_endpoint_says_null(cloud: Cloud) -> None:
    start()
    track(ended("Succeeded"))
    assert cloud.stepfunctions.sent[0][2]["endpoint"] is None


def test_the_processing_containers_own_words_are_the_cause(cloud: Cloud) -> None:
    start()
    failed_step(cloud, "Process", ProcessingJob={"Arn": "arn:aws:sagemaker:r:a:processing-job/p1"})
    words = 'the dataset has no column "Species"; found: a, b'
    cloud.sagemaker.processing_jobs["p1"] = {"ExitMessage": words, "FailureReason": "AlgorithmError: exit code 1"}
    track(ended("Failed"))
    assert cause(cloud) == ("PipelineFailed", f"Process: {words}")


def test_the_training_containers_failure_file_is_the_cause(cloud: Cloud) -> None:
    start()
    failed_step(cloud, "Train", TrainingJob={"Arn": "arn:aws:sagemaker:r:a:training-job/t1"})
    cloud.sagemaker.training_jobs["t1"] = {"FailureReason": "AlgorithmError: ValueError: no rows, exit code: 1"}
    track(ended("Failed"))
    assert cause(cloud)[1] == "Train: ValueError: no rows, exit code: 1"


def test_a_fail_step_gives_its_message(cloud: Cloud) -> None:
    start()
    failed_step(cloud, "RejectQuality", Fail={"ErrorMessage": "accuracy 0.5 is below 0.8"})
    track(ended("Failed"))
    assert cause(cloud)[1] == "RejectQuality: accuracy 0.5 is below 0.8"


def test_a_job_that_cannot_be_described_leaves_sagemakers_reason(cloud: Cloud) -> None:
    start()
    failed_step(cloud, "Process", ProcessingJob={"Arn": "arn:aws:sagemaker:r:a:processing-job/gone"})
    track(ended("Failed"))
    assert cause(cloud)[1] == "Process: it failed"


def test_a_failure_without_any_failed_step_has_a_reason_too(cloud: Cloud) -> None:
    start()
    cloud.sagemaker.executions[ARN]["FailureReason"] = "Parameter X is unknown"
    track(ended("Failed"))
    assert cause(cloud)[1] == "Parameter X is unknown"


def test_a_stopped_pipeline_is_a_failure(cloud: Cloud) -> None:
    start()
    track(ended("Stopped"))
    assert cause(cloud) == ("PipelineStopped", "the pipeline was stopped before it had finished")


def test_a_very_long_reason_is_cut(cloud: Cloud) -> None:
    start()
    failed_step(cloud, "Process", "x" * 100_000)
    track(ended("Failed"))
    assert len(cause(cloud)[1]) < waits.MAX_CAUSE


def test_a_state_that_has_timed_out_is_forgotten(cloud: Cloud) -> None:
    start()
    cloud.stepfunctions.over.add("t1")
    track(ended("Succeeded"))
    assert waits.get(cloud.services, WaitKind.PIPELINE, JOB_ID) is None


def test_a_send_that_fails_keeps_the_token_for_the_retry(cloud: Cloud) -> None:
    start()

    def unavailable() -> None:
        raise client_error("ServiceUnavailable", "try again")

    cloud.stepfunctions.before_send = unavailable
    with pytest.raises(ClientError):
        track(ended("Succeeded"))
    cloud.stepfunctions.before_send = None
    track(ended("Succeeded"))
    assert len(cloud.stepfunctions.sent) == 1


def test_a_token_parked_during_the_send_is_not_deleted(cloud: Cloud) -> None:
    start()

    def retried() -> None:
        waits.park(cloud.services, WaitKind.PIPELINE, JOB_ID, "t2")

    cloud.stepfunctions.before_send = retried
    track(ended("Succeeded"))
    left = waits.get(cloud.services, WaitKind.PIPELINE, JOB_ID)
    assert left is not None
    assert left.token == "t2"
    assert "t2" not in repr(left)


def test_events_in_between_need_nothing(cloud: Cloud) -> None:
    start()
    track(ended("Executing"))
    track(ended("Stopping"))
    track(step("Process", "Failed"))
    assert cloud.stepfunctions.sent == []


def test_a_refusal_tells_what_the_model_in_service_was_measured_at(cloud: Cloud) -> None:
    report = {"metrics": {"accuracy": {"value": 0.9}, "rows": {"value": 30.0}}}
    cloud.put("runs/theirs/evaluation.json", json.dumps(report).encode(), ARTIFACTS)
    outputs = [{"OutputName": "evaluation", "S3Output": {"S3Uri": f"s3://{ARTIFACTS}/runs/theirs"}}]
    cloud.sagemaker.processing_jobs["theirs"] = {"ProcessingOutputConfig": {"Outputs": outputs}}
    start()
    failed_step(cloud, "KeepDeployed", Fail={"ErrorMessage": "Kept."})
    evaluated = {"ProcessingJob": {"Arn": "arn:x/theirs"}}
    step = {"StepName": "EvaluateDeployed", "StepStatus": "Succeeded", "Metadata": evaluated}
    cloud.sagemaker.steps[ARN].insert(0, step)
    track(ended("Failed"))
    assert cause(cloud)[1] == "KeepDeployed: Kept. The model in service: accuracy 0.9, rows 30."


def test_a_model_that_was_kept_is_told_without_its_evaluation_too(cloud: Cloud) -> None:
    start()
    failed_step(cloud, "KeepDeployed", Fail={"ErrorMessage": "Kept."})
    evaluated = {"ProcessingJob": {"Arn": "arn:x/gone"}}
    step = {"StepName": "EvaluateDeployed", "StepStatus": "Succeeded", "Metadata": evaluated}
    cloud.sagemaker.steps[ARN].insert(0, step)
    track(ended("Failed"))
    assert cause(cloud)[1] == "KeepDeployed: Kept."
