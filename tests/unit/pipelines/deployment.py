"""A deployment in moto to publish to, and a look at what is called there."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from functools import cache, partial
from types import SimpleNamespace
from typing import Any

import boto3

from pipelines.environment import Environment
from pipelines.publishing.publication import Clients, Publication
from tests.unit.memory import mock_aws

ENVIRONMENT = Environment(account="123456789012")
NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)

_READS = ("Describe", "Get", "Head", "List", "Scan")


@cache
def _session() -> boto3.Session:
    # It keeps the service models that it has read: they are most of what a client costs.
    return boto3.Session("test", "test", region_name=ENVIRONMENT.region)


@contextmanager
def deployment() -> Iterator[Publication]:
    """What the stack brings, as far as publishing needs it."""
    with mock_aws():
        session = _session()
        clients = Clients(
            s3=session.client("s3"),
            sagemaker=session.client("sagemaker"),
            dynamodb=session.client("dynamodb"),
            ssm=session.client("ssm"),
            stepfunctions=session.client("stepfunctions"),
            scheduler=session.client("scheduler"),
        )
        clients.scheduler.create_schedule_group(Name=ENVIRONMENT.schedule_group)
        clients.s3.create_bucket(Bucket=ENVIRONMENT.artifacts_bucket)
        clients.dynamodb.create_table(
            TableName=ENVIRONMENT.algorithms_table,
            KeySchema=[{"AttributeName": "name", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "name", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        definition = {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}
        role = ENVIRONMENT.arn("iam", "role/x", region=False)
        name = f"{ENVIRONMENT.prefix}-training"
        clients.stepfunctions.create_state_machine(name=name, definition=json.dumps(definition), roleArn=role)
        yield Publication(ENVIRONMENT, clients, NOW)


def mutations(*clients: Any) -> list[str]:
    """A list to which every call of these clients is added that can change something."""
    made: list[str] = []

    def note(model: Any, **_: object) -> None:
        if not model.name.startswith(_READS):
            made.append(model.name)

    for client in clients:
        client.meta.events.register("before-call.*.*", note)
    return made


def mutations_of(clients: Clients) -> list[str]:
    """The same, of everything that publishing the catalogue calls."""
    return mutations(*(getattr(clients, field.name) for field in fields(clients)))


def refuse(client: Any, operation: str) -> Callable[[], None]:
    """From now on AWS denies an operation, until what is returned is called."""
    return answer(client, operation, {"Error": {"Code": "AccessDeniedException", "Message": "not for you"}}, status=400)


def answer(client: Any, operation: str, document: dict[str, Any], *, status: int = 200) -> Callable[[], None]:
    """From now on AWS answers an operation with this, until what is returned is called."""

    def respond(**_: object) -> tuple[Any, dict[str, Any]]:
        return SimpleNamespace(status_code=status), document

    event = f"before-call.*.{operation}"
    client.meta.events.register(event, respond)
    return partial(client.meta.events.unregister, event, respond)
