"""What `.sync` waits for, service by service: how to ask for the state of the work, and what the answers mean.

Source: the Developer Guide's page of each service, "Run a Job (.sync)"; the services' API references. Members are in
Step Functions' spelling. A job that did not end well fails its task with States.TaskFailed and its own description.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.documents import Json
from local.stepfunctions.asl import errors
from local.stepfunctions.asl.documents import encode
from local.stepfunctions.integrations import dialects, naming
from local.stepfunctions.integrations.call import Action, Call, action
from local.stepfunctions.integrations.job import Job
from local.stepfunctions.integrations.task import TaskError

Described = Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Waited:
    describe: str
    by: Mapping[str, str]
    """The member of the request -> where its value stands in the task's arguments or in the start's answer. A member
    with `[]` takes a list of the one value."""
    status: str
    """Where the status stands in the work."""
    done: frozenset[str]
    failed: frozenset[str]
    work: str = ""
    """Where the work stands in the answer; that part is the task's result."""
    stop: str | None = None
    stop_by: Mapping[str, str] | None = None
    """As `by`, where the two differ."""
    is_good: Callable[[Described], bool] = field(default=lambda _: True)
    """Of work that is done."""


def _sagemaker(noun: str) -> Waited:
    name = {f"{noun}Name": f"{noun}Name"}
    status, failed = f"{noun}Status", frozenset({"Failed", "Stopped"})
    return Waited(f"describe{noun}", name, status, frozenset({"Completed"}), failed, stop=f"stop{noun}")


def _codebuild(kind: str, suffix: str) -> Waited:
    return Waited(
        f"batchGetBuild{suffix}",
        {"Ids[]": f"{kind}.Id"},
        "BuildStatus" if kind == "Build" else "BuildBatchStatus",
        frozenset({"SUCCEEDED"}),
        frozenset({"FAILED", "FAULT", "TIMED_OUT", "STOPPED"}),
        f"{kind}s.0" if kind == "Build" else "BuildBatches.0",
        f"stop{kind}",
        {"Id": f"{kind}.Id"},
    )


def _all_exited_well(task: Described) -> bool:
    return all(container.get("ExitCode") == 0 for container in task.get("Containers", []))


_EMR_JOB = (frozenset({"SUCCESS"}), frozenset({"FAILED", "CANCELLED"}))

WAITED: Mapping[tuple[str, str], Waited] = {
    ("sagemaker", "createTrainingJob"): _sagemaker("TrainingJob"),
    ("sagemaker", "createProcessingJob"): _sagemaker("ProcessingJob"),
    ("sagemaker", "createTransformJob"): _sagemaker("TransformJob"),
    ("sagemaker", "createHyperParameterTuningJob"): _sagemaker("HyperParameterTuningJob"),
    ("sagemaker", "createLabelingJob"): _sagemaker("LabelingJob"),
    ("glue", "startJobRun"): Waited(
        "getJobRun", {"JobName": "JobName", "RunId": "JobRunId"}, "JobRunState", frozenset({"SUCCEEDED"}),
        frozenset({"FAILED", "STOPPED", "TIMEOUT", "ERROR", "EXPIRED"}), "JobRun",
        "batchStopJobRun", {"JobName": "JobName", "JobRunIds[]": "JobRunId"},
    ),
    ("batch", "submitJob"): Waited(
        "describeJobs", {"Jobs[]": "JobId"}, "Status", frozenset({"SUCCEEDED"}), frozenset({"FAILED"}), "Jobs.0",
        "terminateJob", {"JobId": "JobId", "Reason": "=The task in AWS Step Functions has ended"},
    ),
    ("ecs", "runTask"): Waited(
        "describeTasks", {"Cluster": "Cluster", "Tasks[]": "Tasks.0.TaskArn"}, "LastStatus", frozenset({"STOPPED"}),
        frozenset(), "Tasks.0", "stopTask", {"Cluster": "Cluster", "Task": "Tasks.0.TaskArn"}, _all_exited_well,
    ),
    ("codebuild", "startBuild"): _codebuild("Build", "s"),
    ("codebuild", "startBuildBatch"): _codebuild("BuildBatch", "Batches"),
    ("athena", "startQueryExecution"): Waited(
        "getQueryExecution", {"QueryExecutionId": "QueryExecutionId"}, "QueryExecution.Status.State",
        frozenset({"SUCCEEDED"}), frozenset({"FAILED", "CANCELLED"}), stop="stopQueryExecution",
    ),
    ("databrew", "startJobRun"): Waited(
        "describeJobRun", {"Name": "Name", "RunId": "RunId"}, "State", frozenset({"SUCCEEDED"}),
        frozenset({"FAILED", "STOPPED", "TIMEOUT"}), stop="stopJobRun",
    ),
    ("elasticmapreduce", "createCluster"): Waited(
        "describeCluster", {"ClusterId": "JobFlowId"}, "Cluster.Status.State", frozenset({"WAITING", "TERMINATED"}),
        frozenset({"TERMINATED_WITH_ERRORS"}), "", "terminateJobFlows", {"JobFlowIds[]": "JobFlowId"},
    ),
    ("elasticmapreduce", "addStep"): Waited(
        "describeStep", {"ClusterId": "ClusterId", "StepId": "StepIds.0"}, "Step.Status.State",
        frozenset({"COMPLETED"}), frozenset({"FAILED", "CANCELLED", "INTERRUPTED"}), "",
        "cancelSteps", {"ClusterId": "ClusterId", "StepIds[]": "StepIds.0"},
    ),
    ("emr-serverless", "startJobRun"): Waited(
        "getJobRun", {"ApplicationId": "ApplicationId", "JobRunId": "JobRunId"}, "JobRun.State", *_EMR_JOB,
        stop="cancelJobRun",
    ),
    ("emr-containers", "startJobRun"): Waited(
        "describeJobRun", {"VirtualClusterId": "VirtualClusterId", "Id": "Id"}, "JobRun.State",
        frozenset({"COMPLETED"}), frozenset({"FAILED", "CANCELLED"}), stop="cancelJobRun",
    ),
    ("mediaconvert", "createJob"): Waited(
        "getJob", {"Id": "Job.Id"}, "Job.Status", frozenset({"COMPLETE"}), frozenset({"ERROR", "CANCELED"}),
        stop="cancelJob",
    ),
}  # fmt: skip


def waited(call: Call) -> Waited:
    """Raises TaskError for an action that cannot be waited for here."""
    waited = WAITED.get((call.resource.service, call.resource.action))
    if waited is None:
        raise TaskError(errors.RUNTIME, f"The local cloud cannot wait for '{call.resource.arn}'")
    return waited


def job(call: Call, described: Described) -> Job:
    """`answer` is what starting it gave. Raises TaskError."""
    row = waited(call)
    known = {**call.fields, **described}
    describe, stop = _action(call, row.describe), None if row.stop is None else _action(call, row.stop)
    request = _request(row.by, known)

    def look() -> str | None:
        return _ending(row, describe.result(describe.perform(call, request)))

    def end() -> None:
        if stop is not None:
            stop.perform(call, _request(row.stop_by or row.by, known))

    return Job(look, end)


def _action(call: Call, name: str) -> Action:
    service = call.resource.service
    client = call.client(naming.botocore_service(service) or service)
    known = action(client, name, dialects.OPTIMIZED[service])
    assert known is not None, name
    return known


def _request(by: Mapping[str, str], known: Described) -> dict[str, Json]:
    made = {}
    for member, path in by.items():
        value = path[1:] if path.startswith("=") else _at(known, path)
        made[member.removesuffix("[]")] = [value] if member.endswith("[]") else value
    return made


def _at(value: Any, path: str) -> Any:
    """Returns None where there is nothing."""
    for step in path.split(".") if path else []:
        if isinstance(value, list):
            value = value[int(step)] if int(step) < len(value) else None
        else:
            value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _ending(row: Waited, described: Described) -> str | None:
    work = _at(described, row.work)
    if not isinstance(work, Mapping):
        raise TaskError(errors.TASK_FAILED, f"The work is not known any more: {encode(dict(described))}")
    status = _at(work, row.status)
    told = encode(dict(sorted(work.items())))
    if status in row.failed or (status in row.done and not row.is_good(work)):
        raise TaskError(errors.TASK_FAILED, told)
    return told if status in row.done else None
