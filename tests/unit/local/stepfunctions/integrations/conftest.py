from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local.clients import LocalClients
from local.stepfunctions.integrations import Integrations
from tests.unit.local.stepfunctions.integrations.endpoints import Endpoint, base, scripted
from tests.unit.local.stepfunctions.integrations.tasks import RecordedTask, RecordedWorld, command

Perform = Callable[..., RecordedTask]


@pytest.fixture(scope="session")
def aws() -> Iterator[LocalClients]:
    """The services of the local cloud's base, in a process of its own."""
    with base() as clients:
        yield clients


@pytest.fixture(scope="session")
def server() -> Iterator[Endpoint]:
    # One for all tests: making a boto3 client takes longer than most of them.
    with scripted() as found:
        yield found


@pytest.fixture
def endpoint(server: Endpoint) -> Endpoint:
    """An endpoint that has no answers yet."""
    server.begin()
    return server


@pytest.fixture
def world(endpoint: Endpoint) -> RecordedWorld:
    return RecordedWorld(endpoint.clients)


@pytest.fixture
def integrations(world: RecordedWorld) -> Iterator[Integrations]:
    made = Integrations(world)
    yield made
    made.close()


@pytest.fixture
def perform(integrations: Integrations) -> Perform:
    """Have a task carried out at the scripted endpoint."""

    def carry_out(resource: str, arguments: Any, key: str | None = None, **members: Any) -> RecordedTask:
        task = RecordedTask(command(resource, arguments, **members))
        task.key = key or task.key
        integrations.perform(task)
        return task

    return carry_out


@pytest.fixture
def call(aws: LocalClients) -> Iterator[Perform]:
    """Have a task carried out by the local cloud's base."""
    made = Integrations(RecordedWorld(aws))

    def carry_out(resource: str, arguments: Any, **members: Any) -> RecordedTask:
        task = RecordedTask(command(resource, arguments, **members))
        made.perform(task)
        return task

    yield carry_out
    made.close()
