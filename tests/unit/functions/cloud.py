"""The functions' world for unit tests: moto's DynamoDB and S3, small fakes where moto has nothing, a clock to move."""

from __future__ import annotations

import copy
import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import boto3
from botocore.exceptions import ClientError
from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb import dynamodb_backends

from functions.aws.services import WAITING_RUNTIME, Services, Settings
from functions.jobs.job import Job, Kind, Status

REGION = "us-east-1"
UPLOADS = "headrace-test-uploads-000000000000-us-east-1"
ARTIFACTS = "headrace-test-artifacts-000000000000-us-east-1"
JOBS, LEDGER, WAITS, ALGORITHMS = (f"headrace-test-{name}" for name in ("jobs", "ledger", "waits", "algorithms"))
MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:headrace-test-training"

ENVIRONMENT = {
    "STAGE": "test",
    "JOBS_TABLE": JOBS,
    "JOB_RETENTION_DAYS": "365",
    "LEDGER_TABLE": LEDGER,
    "WAITS_TABLE": WAITS,
    "ALGORITHMS_TABLE": ALGORITHMS,
    "UPLOADS_BUCKET": UPLOADS,
    "ARTIFACTS_BUCKET": ARTIFACTS,
    "TRAINING_STATE_MACHINE_ARN": MACHINE,
    "DEPLOYMENT_STATE_MACHINE_ARN": MACHINE.replace("-training", "-deployment"),
    "SERVING_ROLE_ARN": "arn:aws:iam::000000000000:role/headrace-test-serving-us-east-1",
    "INFERENCE_SUCCESS_TOPIC_ARN": "arn:aws:sns:us-east-1:000000000000:success",
    "INFERENCE_ERROR_TOPIC_ARN": "arn:aws:sns:us-east-1:000000000000:error",
    "JOBS_TOPIC_ARN": "arn:aws:sns:us-east-1:000000000000:jobs",
    "FACE_ALGORITHM": "face_aging",
}

_EMPTY_TABLES: dict[str, Any] = {}
"""As moto keeps them once they are created, which takes as long as half a test."""


def execution(name: str, machine: str = "training") -> str:
    return f"arn:aws:states:{REGION}:000000000000:execution:headrace-test-{machine}:{name}"


def client_error(code: str, message: str, operation: str = "Operation") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def advance(self, **delta: float) -> None:
        self.time += timedelta(**delta)


class OneCallAtATime:
    """A client whose calls exclude each other, as DynamoDB's writes to one item do; moto knows nothing of threads."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._client, name)
        if not callable(value):
            return value

        def call(*args: Any, **kwargs: Any) -> Any:
            with self._lock:
                return value(*args, **kwargs)

        return call


_SAGEMAKER = "arn:aws:sagemaker:us-east-1:000000000000"


@dataclass
class FakeSageMaker:
    """Answers from tables that a test fills; remembers every call that changes something."""

    executions: dict[str, dict[str, Any]] = field(default_factory=dict)
    steps: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    processing_jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    training_jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    endpoints: dict[str, dict[str, Any]] = field(default_factory=dict)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    configs: dict[str, dict[str, Any]] = field(default_factory=dict)
    packages: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By ARN, as DescribeModelPackage tells them."""
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    refuse_start: ClientError | None = None
    refuse_update: ClientError | None = None
    refuse_create: ClientError | None = None
    page_size: int = 100

    def start_pipeline_execution(self, **request: Any) -> dict[str, Any]:
        self.calls.append(("start_pipeline_execution", request))
        if self.refuse_start:
            raise self.refuse_start
        name = f"arn:aws:sagemaker:us-east-1:000000000000:pipeline/{request['PipelineName']}/execution/e1"
        begun = {
            "PipelineExecutionDisplayName": request["PipelineExecutionDisplayName"],
            "PipelineExecutionStatus": "Executing",
        }
        # The same ClientRequestToken gives the execution that is there, at whatever stage.
        self.executions.setdefault(name, begun)
        return {"PipelineExecutionArn": name}

    def describe_pipeline_execution(self, *, PipelineExecutionArn: str) -> dict[str, Any]:  # noqa: N803
        if PipelineExecutionArn not in self.executions:
            raise client_error("ResourceNotFound", "Pipeline execution not found")
        return self.executions[PipelineExecutionArn]

    def stop_pipeline_execution(self, **request: Any) -> dict[str, Any]:
        self.calls.append(("stop_pipeline_execution", request))
        execution = self.executions[request["PipelineExecutionArn"]]
        if execution["PipelineExecutionStatus"] != "Executing":
            raise client_error("ValidationException", "Only pipelines with an Executing status can be stopped")
        execution["PipelineExecutionStatus"] = "Stopping"
        return {"PipelineExecutionArn": request["PipelineExecutionArn"]}

    def describe_pipeline_definition_for_execution(self, *, PipelineExecutionArn: str) -> dict[str, Any]:  # noqa: N803
        steps = self.executions[PipelineExecutionArn]["Steps"]
        return {"PipelineDefinition": json.dumps({"Steps": steps})}

    def list_pipeline_execution_steps(self, **request: Any) -> dict[str, Any]:
        steps = self.steps.get(request["PipelineExecutionArn"], [])
        begin = int(request.get("NextToken", "0"))
        page: dict[str, Any] = {"PipelineExecutionSteps": steps[begin : begin + self.page_size]}
        if begin + self.page_size < len(steps):
            page["NextToken"] = str(begin + self.page_size)
        return page

    def describe_processing_job(self, *, ProcessingJobName: str) -> dict[str, Any]:  # noqa: N803
        if ProcessingJobName not in self.processing_jobs:
            raise client_error("ValidationException", "Could not find requested job")
        return self.processing_jobs[ProcessingJobName]

    def describe_training_job(self, *, TrainingJobName: str) -> dict[str, Any]:  # noqa: N803
        if TrainingJobName not in self.training_jobs:
            raise client_error("ValidationException", "Requested resource not found.")
        return self.training_jobs[TrainingJobName]

    def describe_endpoint(self, *, EndpointName: str) -> dict[str, Any]:  # noqa: N803
        if EndpointName not in self.endpoints:
            raise client_error("ValidationException", f'Could not find endpoint "{EndpointName}".')
        return self.endpoints[EndpointName]

    def update_endpoint(self, **request: Any) -> dict[str, Any]:
        self.calls.append(("update_endpoint", request))
        if self.refuse_update:
            raise self.refuse_update
        self.endpoints[request["EndpointName"]]["EndpointStatus"] = "Updating"
        return {}

    def create_endpoint(self, **request: Any) -> dict[str, Any]:
        self.calls.append(("create_endpoint", request))
        if self.refuse_create:
            raise self.refuse_create
        name = request["EndpointName"]
        if name in self.endpoints:
            raise client_error("ValidationException", f"Cannot create already existing endpoint {name}")
        self.endpoints[name] = {"EndpointStatus": "Creating", "EndpointConfigName": request["EndpointConfigName"]}
        return {}

    def delete_endpoint(self, *, EndpointName: str) -> None:  # noqa: N803
        """Begins it; a test takes the endpoint out of the table when it is to be gone."""
        self.calls.append(("delete_endpoint", {"EndpointName": EndpointName}))
        self.endpoints[EndpointName]["EndpointStatus"] = "Deleting"

    def create_model(self, **request: Any) -> dict[str, Any]:
        return self._create(self.models, request["ModelName"], request)

    def create_endpoint_config(self, **request: Any) -> dict[str, Any]:
        return self._create(self.configs, request["EndpointConfigName"], request)

    def describe_endpoint_config(self, *, EndpointConfigName: str) -> dict[str, Any]:  # noqa: N803
        if EndpointConfigName not in self.configs:
            raise client_error("ValidationException", f'Could not find endpoint configuration "{EndpointConfigName}".')
        return self.configs[EndpointConfigName]

    def describe_model(self, *, ModelName: str) -> dict[str, Any]:  # noqa: N803
        if ModelName not in self.models:
            raise client_error("ValidationException", f'Could not find model "{ModelName}".')
        return self.models[ModelName]

    def describe_model_package_group(self, *, ModelPackageGroupName: str) -> dict[str, Any]:  # noqa: N803
        return {"ModelPackageGroupArn": f"{_SAGEMAKER}:model-package-group/{ModelPackageGroupName}"}

    def describe_model_package(self, *, ModelPackageName: str) -> dict[str, Any]:  # noqa: N803
        if ModelPackageName not in self.packages:
            raise client_error("ValidationException", f"ModelPackage {ModelPackageName} does not exist.")
        return self.packages[ModelPackageName]

    def update_model_package(self, **request: Any) -> dict[str, Any]:
        self.calls.append(("update_model_package", request))
        self.packages[request["ModelPackageArn"]] |= request
        return {}

    def get_paginator(self, operation: str) -> Any:
        assert operation == "list_model_packages"
        return self

    def paginate(self, *, ModelPackageGroupName: str, **_: Any) -> Iterator[dict[str, Any]]:  # noqa: N803
        """Pages of ListModelPackages: one, the newest version first."""
        of_group = [
            arn for arn, package in self.packages.items() if package["ModelPackageGroupName"] == ModelPackageGroupName
        ]
        if not of_group:
            raise client_error("ValidationException", f"ModelPackageGroup {ModelPackageGroupName} does not exist.")
        yield {"ModelPackageSummaryList": [{"ModelPackageArn": arn} for arn in reversed(of_group)]}

    def register(self, group: str, status: str, moment: datetime, **metadata: str) -> str:
        """Registers the next version of a group, which can be deployed; returns its ARN."""
        version = 1 + sum(package["ModelPackageGroupName"] == group for package in self.packages.values())
        arn = f"{_SAGEMAKER}:model-package/{group}/{version}"
        self.packages[arn] = {
            "ModelPackageArn": arn,
            "ModelPackageGroupName": group,
            "ModelPackageVersion": version,
            "ModelApprovalStatus": status,
            "CreationTime": moment,
            "CustomerMetadataProperties": metadata,
            "InferenceSpecification": {
                "Containers": [{"Image": "image", "ModelDataUrl": f"s3://models/{version}/model.tar.gz"}],
                "SupportedContentTypes": ["text/csv"],
            },
        }
        return arn

    def _create(self, there: dict[str, dict[str, Any]], name: str, request: dict[str, Any]) -> dict[str, Any]:
        if name in there:
            raise client_error("ValidationException", f"Cannot create already existing model {name}")
        there[name] = request
        return {}

    def called(self, operation: str) -> list[dict[str, Any]]:
        return [request for name, request in self.calls if name == operation]


@dataclass
class FakeRuntime:
    """SageMaker's runtime: takes invocations, or refuses them."""

    requests: list[dict[str, Any]] = field(default_factory=list)
    refuse: ClientError | None = None
    models: dict[str, Callable[[bytes], Any]] = field(default_factory=dict)
    """By endpoint, what answers a request's body: bytes as they are, anything else as JSON."""

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        self.requests.append(request)
        if request["EndpointName"] not in self.models:
            raise client_error("ValidationError", f"Endpoint {request['EndpointName']} of account not found.")
        answer = self.models[request["EndpointName"]](request["Body"])
        return {"Body": io.BytesIO(answer if isinstance(answer, bytes) else json.dumps(answer).encode())}

    def invoke_endpoint_async(self, **request: Any) -> dict[str, Any]:
        self.requests.append(request)
        if self.refuse:
            raise self.refuse
        folder = f"s3://{ARTIFACTS}/async"
        job_id = request["InferenceId"]
        return {
            "InferenceId": job_id,
            "OutputLocation": f"{folder}/output/{job_id}.out",
            "FailureLocation": f"{folder}/failure/{job_id}-error.out",
        }


@dataclass
class FakeStepFunctions:
    """The callback half of Step Functions: what was sent for which token."""

    sent: list[tuple[str, str, Any]] = field(default_factory=list)
    over: set[str] = field(default_factory=set)
    started: list[dict[str, Any]] = field(default_factory=list)
    stopped: list[dict[str, Any]] = field(default_factory=list)
    refuse_start: ClientError | None = None
    before_send: Callable[[], None] | None = None

    def send_task_success(self, *, taskToken: str, output: str) -> None:  # noqa: N803
        self._send(taskToken, "success", json.loads(output))

    def send_task_failure(self, *, taskToken: str, error: str, cause: str) -> None:  # noqa: N803
        self._send(taskToken, "failure", (error, cause))

    def _send(self, token: str, how: str, what: Any) -> None:
        if self.before_send:
            self.before_send()
        if token in self.over:
            raise client_error("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")
        self.over.add(token)
        self.sent.append((token, how, what))

    def stop_execution(self, **request: Any) -> dict[str, Any]:
        self.stopped.append(request)
        return {}

    def start_execution(self, **request: Any) -> dict[str, Any]:
        if self.refuse_start:
            raise self.refuse_start
        self.started.append(request)
        return {"executionArn": execution(request["name"])}


@dataclass
class FakeAlarms:
    """CloudWatch: the alarms that were put, by name."""

    alarms: dict[str, dict[str, Any]] = field(default_factory=dict)

    def put_metric_alarm(self, **request: Any) -> None:
        self.alarms[request["AlarmName"]] = request


@dataclass
class FakeTopics:
    """SNS: what was published."""

    published: list[tuple[str, Any]] = field(default_factory=list)
    refuse: ClientError | None = None

    def publish(self, *, TopicArn: str, Message: str) -> None:  # noqa: N803
        if self.refuse:
            raise self.refuse
        self.published.append((TopicArn, json.loads(Message)))


@cache
def _client(name: str) -> Any:
    """One for all tests of a process: a client has no state of its own, and making one takes long."""
    return boto3.client(name, region_name=REGION)  # type: ignore[call-overload]


class Cloud:
    """Everything at once: the services to hand to the code, and the fakes to look into. Needs moto to be on."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.sagemaker = FakeSageMaker()
        self.runtime = FakeRuntime()
        self.stepfunctions = FakeStepFunctions()
        self.topics = FakeTopics()
        self.cloudwatch = FakeAlarms()
        self.dynamodb = _client("dynamodb")
        self.s3 = _client("s3")
        clients: dict[str, Any] = {
            "dynamodb": OneCallAtATime(self.dynamodb),
            "s3": self.s3,
            "logs": _client("logs"),
            "sagemaker": self.sagemaker,
            "sagemaker-runtime": self.runtime,
            WAITING_RUNTIME: self.runtime,
            "stepfunctions": self.stepfunctions,
            "sns": self.topics,
            "cloudwatch": self.cloudwatch,
        }
        self.services = Services(Settings(ENVIRONMENT), clients.__getitem__, self.clock)
        self._tables()
        for bucket in (UPLOADS, ARTIFACTS):
            self.s3.create_bucket(Bucket=bucket)

    def version_uploads(self) -> None:
        self.s3.put_bucket_versioning(Bucket=UPLOADS, VersioningConfiguration={"Status": "Enabled"})

    def put(self, key: str, body: bytes = b"a,b\n1,2\n", bucket: str = UPLOADS) -> dict[str, Any]:
        return dict(self.s3.put_object(Bucket=bucket, Key=key, Body=io.BytesIO(body)))

    def upload(self, key: str, body: bytes = b"a,b\n1,2\n", sequencer: str = "0061A1") -> dict[str, Any]:
        """Puts an object into the uploads bucket and returns the event that tells of it."""
        put = self.put(key, body)
        etag = put["ETag"].strip('"')
        return uploaded(key, sequencer, version_id=put.get("VersionId"), etag=etag, size=len(body))

    def _tables(self) -> None:
        tables = dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables
        if not _EMPTY_TABLES:
            self._create_tables()
            _EMPTY_TABLES.update(copy.deepcopy(tables))
        tables.update(copy.deepcopy(_EMPTY_TABLES))

    def _create_tables(self) -> None:
        self._table(JOBS, ["job_id"], {"by_object": ["object", "created"], "by_kind": ["kind", "created"]})
        self._table(LEDGER, ["object", "entry"], {})
        self._table(WAITS, ["wait_id"], {"by_endpoint": ["endpoint", "created"]})
        self._table(ALGORITHMS, ["name"], {})

    def _table(self, name: str, key: list[str], indexes: dict[str, list[str]]) -> None:
        attributes = {attribute for names in (key, *indexes.values()) for attribute in names}
        more: dict[str, Any] = {}
        if indexes:
            more["GlobalSecondaryIndexes"] = [
                {"IndexName": index, "KeySchema": _schema(names), "Projection": {"ProjectionType": "ALL"}}
                for index, names in indexes.items()
            ]
        self.dynamodb.create_table(
            TableName=name,
            KeySchema=_schema(key),
            AttributeDefinitions=[
                {"AttributeName": attribute, "AttributeType": "S"} for attribute in sorted(attributes)
            ],
            BillingMode="PAY_PER_REQUEST",
            **more,
        )

    def publish(self, name: str, **changes: Any) -> None:
        """Puts an algorithm into the catalogue: decision_trees' shape, with `changes`."""
        spec: dict[str, Any] = {
            "name": name,
            "title": name,
            "trainable": True,
            "inferable": True,
            "trigger": {"on": "upload", "pattern": "*.csv"},
            "hyperparameters": {
                "target": {"type": "string", "default": "Species"},
                "max_depth": {"type": "integer", "default": 4, "minimum": 1, "maximum": 64},
                "rate": {"type": "float", "default": 0.1, "minimum": 0},
                "criterion": {"type": "string", "default": "gini", "choices": ["gini", "entropy"]},
            },
            "pipeline": f"headrace-test-{name.replace('_', '-')}",
            "steps": ["Process", "Train", "Evaluate", "CheckQuality", "Register", "Deploy"],
            "endpoint": f"headrace-test-{name.replace('_', '-')}",
            "deploy": {"mode": "realtime", "instance_type": "ml.m5.large", "count": 2},
            "registration": {
                "group": f"headrace-test-{name.replace('_', '-')}",
                "approval": "automatic",
                "content_types": ["text/csv"],
            },
            "labels": [],
            "retrain": {"schedule": "rate(1 day)", "only_if_new_data": True},
        }
        spec |= changes
        self.dynamodb.put_item(TableName=ALGORITHMS, Item={"name": {"S": name}, "spec": {"S": json.dumps(spec)}})

    def publish_faces(self) -> None:
        self.publish(
            "face_aging",
            trainable=False,
            steps=["Register", "Deploy"],
            labels=["ORIGINAL", "20-30", "30-40", "50-60", "70-80"],
            hyperparameters={},
            retrain=None,
        )

    def publish_chain(self, *, min_confidence: float = 0.25, margin: float = 0.05, max_crops: int = 50) -> None:
        """`plates`, a chain of `finder` and `reader`, whose endpoints are in service."""
        for name in ("finder", "reader"):
            self.publish(name, deploy={"mode": "realtime"}, hyperparameters={}, retrain=None)
            self.sagemaker.endpoints[f"headrace-test-{name}"] = {
                "EndpointStatus": "InService",
                "CreationTime": self.clock(),
                "LastModifiedTime": self.clock(),
            }
        detect = {"algorithm": "finder", "min_confidence": min_confidence, "margin": margin}
        chain = {"detect": detect, "read": {"algorithm": "reader"}, "max_crops": max_crops}
        spec = {"name": "plates", "title": "Plates", "trainable": False, "inferable": False, "chain": chain}
        self.dynamodb.put_item(TableName=ALGORITHMS, Item={"name": {"S": "plates"}, "spec": {"S": json.dumps(spec)}})


def _schema(names: list[str]) -> list[Any]:
    return [{"AttributeName": name, "KeyType": kind} for name, kind in zip(names, ("HASH", "RANGE"), strict=False)]


def uploaded(
    key: str, sequencer: str = "0061A1", *, version_id: str | None = "v1", etag: str = "e1", size: int = 10
) -> dict[str, Any]:
    """An EventBridge `Object Created` event of the uploads bucket."""
    found: dict[str, Any] = {"key": key, "size": size, "etag": etag, "sequencer": sequencer}
    if version_id:
        found["version-id"] = version_id
    return {
        "detail-type": "Object Created",
        "source": "aws.s3",
        "detail": {"version": "0", "bucket": {"name": UPLOADS}, "object": found, "reason": "PutObject"},
    }


class Context:
    """What Lambda hands a handler beside the event."""

    function_name = "headrace-test-function"
    memory_limit_in_mb = 128
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:headrace-test-function"
    aws_request_id = "52fdfc07-2182-154f-163f-5f0f9a621d72"
    remaining_ms = 300_000

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_ms


def new_job(job_id: str, kind: Kind, status: Status, now: str, **members: Any) -> Job:
    """A job that begins now (`now` as `times.iso` writes it); `execution` is its link to one."""
    links = {"execution": members.pop("execution")} if "execution" in members else {}
    record = {"algorithm": None, "source": None, **members}
    return Job(job_id=job_id, kind=kind, status=status, created_at=now, updated_at=now, links=links, **record)
