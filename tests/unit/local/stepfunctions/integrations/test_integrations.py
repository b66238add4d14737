"""The life of a task: carried out once, its answer given once, and nothing left behind."""

import threading
import time

import pytest

from local.clients import LocalClients
from local.settings import free_port
from local.stepfunctions.integrations import Integrations
from tests.unit.local.stepfunctions.integrations.conftest import Perform
from tests.unit.local.stepfunctions.integrations.endpoints import Asked, Endpoint, Reply
from tests.unit.local.stepfunctions.integrations.tasks import RecordedTask, RecordedWorld, command

_SECONDS = 10.0


def threads() -> set[str]:
    return {one.name for one in threading.enumerate() if one.name.startswith("task-")}


class Held:
    """A function whose calls wait until they are let go."""

    def __init__(self, endpoint: Endpoint, name: str = "f") -> None:
        self.entered, self.release = threading.Semaphore(0), threading.Event()
        endpoint.replies[f"/2015-03-31/functions/{name}/invocations"] = self._answer

    def _answer(self, _: Asked) -> Reply:
        self.entered.release()
        assert self.release.wait(_SECONDS)
        return 200, {}, b"{}"


def test_perform_does_not_wait_for_anything(endpoint: Endpoint, perform: Perform) -> None:
    held = Held(endpoint)
    # Nothing is answered before the release: a call that waited for its answer would never come back.
    tasks = [perform("lambda:invoke", {"FunctionName": "f"}) for _ in range(50)]
    held.release.set()
    for task in tasks:
        task.output()


def test_functions_do_not_wait_for_each_other(endpoint: Endpoint, perform: Perform) -> None:
    held = Held(endpoint)
    busy = [perform("lambda:invoke", {"FunctionName": "f"}) for _ in range(20)]
    Held(endpoint, "g").release.set()
    perform("lambda:invoke", {"FunctionName": "g"}).output()
    held.release.set()
    for task in busy:
        task.output()


def test_cancelled_task_that_has_not_begun_is_never_called(
    endpoint: Endpoint, perform: Perform, integrations: Integrations
) -> None:
    held = Held(endpoint)
    busy = [perform("lambda:invoke", {"FunctionName": "f"}) for _ in range(8)]
    for _ in busy:
        assert held.entered.acquire(timeout=_SECONDS)
    queued = perform("lambda:invoke", {"FunctionName": "f"})
    integrations.cancel(queued.key)
    integrations.cancel("unknown")
    held.release.set()
    for task in busy:
        task.output()
    perform("lambda:invoke", {"FunctionName": "f"}).output()
    assert queued.log == []


def test_answer_to_a_cancelled_task_is_dropped(
    endpoint: Endpoint, perform: Perform, integrations: Integrations
) -> None:
    held = Held(endpoint)
    task = perform("lambda:invoke", {"FunctionName": "f"})
    assert held.entered.acquire(timeout=_SECONDS)
    integrations.cancel(task.key)
    held.release.set()
    integrations.close()
    assert task.log == [("started",)]


def test_close_ends_every_thread(endpoint: Endpoint, perform: Perform, integrations: Integrations) -> None:
    Held(endpoint).release.set()
    for _ in range(5):
        perform("lambda:invoke", {"FunctionName": "f"}).output()
    integrations.close()
    assert threads() == set()


def test_close_is_bounded_and_what_it_cuts_off_is_no_failure(
    endpoint: Endpoint, perform: Perform, integrations: Integrations
) -> None:
    held = Held(endpoint)
    task = perform("lambda:invoke", {"FunctionName": "f"})
    assert held.entered.acquire(timeout=_SECONDS)
    integrations.closing.set()
    begun = time.monotonic()
    integrations.close(0.2)
    assert time.monotonic() - begun < 10
    endpoint.replies.clear()
    held.release.set()
    assert [one[0] for one in task.log if one[0] == "failed"] == []


def test_nothing_is_begun_once_it_is_closing(perform: Perform, integrations: Integrations) -> None:
    integrations.closing.set()
    task = perform("lambda:invoke", {"FunctionName": "f"})
    integrations.close()
    assert task.log == []


def test_endpoint_that_is_gone_fails_the_task_unless_the_cloud_is_stopping(world: RecordedWorld) -> None:
    world.clients = LocalClients(f"http://127.0.0.1:{free_port()}")
    running, stopping = Integrations(world), Integrations(world)
    task = RecordedTask(command("sqs:sendMessage", {"QueueUrl": "http://127.0.0.1/q", "MessageBody": "m"}))
    running.perform(task)
    assert task.failure()[0] == "SQS.SdkClientException"
    cut_off = RecordedTask(task.command)
    stopping.perform(cut_off)
    cut_off.wait("started")
    stopping.closing.set()
    stopping.close()
    running.close()
    assert cut_off.log == [("started",)]


def test_task_that_waits_for_its_token_is_not_called_again_once_it_was_submitted(
    endpoint: Endpoint, perform: Perform
) -> None:
    resource = "lambda:invoke.waitForTaskToken"
    task = perform(resource, {"FunctionName": "f"}, started=True, submission="{}")
    Held(endpoint, "g").release.set()
    perform("lambda:invoke", {"FunctionName": "g"}).output()
    assert task.log == []


def test_task_that_had_started_is_called_again_and_does_not_start_twice(endpoint: Endpoint, perform: Perform) -> None:
    Held(endpoint).release.set()
    task = perform("lambda:invoke", {"FunctionName": "f"}, started=True)
    task.output()
    assert [one[0] for one in task.log] == ["succeeded"]


@pytest.mark.parametrize("arguments", [None, [], "text", 5])
def test_arguments_that_are_no_object_are_refused(perform: Perform, arguments: object) -> None:
    error, cause = perform("lambda:invoke", arguments).failure()
    assert error == "States.Runtime"
    assert cause.endswith("could not be used to start the Task: [The value of Parameters must be an OBJECT]")


def test_bug_in_an_integration_is_the_tasks_failure_and_not_the_threads(
    world: RecordedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: str) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(world, "client", broken)
    integrations = Integrations(world)
    task = RecordedTask(command("sqs:sendMessage", {"QueueUrl": "q", "MessageBody": "m"}))
    integrations.perform(task)
    assert task.failure() == ("States.Runtime", "ZeroDivisionError: oops")
    integrations.close()
