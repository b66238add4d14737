"""A boto3 client in a process of its own: `python -m bench.programs.load ENDPOINT`."""

import sys
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from bench.programs import Order, serve
from local.clients import LocalClients

_ROLE = "arn:aws:iam::000000000000:role/bench"
_SECONDS = 120.0
_PAGE = 1000


class Load:
    """What can be asked."""

    def __init__(self, endpoint: str) -> None:
        clients = LocalClients(endpoint)
        self._states, self._functions = clients.client("stepfunctions"), clients.client("lambda")

    def rate(self, order: Order) -> float:
        """Executions per second of a new state machine: start `count` with `threads`, until none of them runs."""
        count, threads = int(order["count"]), int(order["threads"])
        arn = self._machine(order["definition"])
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda _: self._states.describe_state_machine(stateMachineArn=arn), range(threads)))
            start = time.perf_counter()
            list(pool.map(partial(self._start_some, arn), [count // threads] * threads))
            self._until_none_runs(arn)
            seconds = time.perf_counter() - start
        succeeded = self._count(arn, "SUCCEEDED")
        if succeeded != count // threads * threads:
            raise RuntimeError(f"{succeeded} of {count} succeeded")
        return count / seconds

    def starts(self, order: Order) -> float:
        """StartExecution calls per second alone, whatever the answer."""
        count, threads = int(order["count"]), int(order["threads"])
        with ThreadPoolExecutor(threads) as pool:
            start = time.perf_counter()
            list(pool.map(partial(self._start_some, order["machine"]), [count // threads] * threads))
            return count / (time.perf_counter() - start)

    def ones(self, order: Order) -> list[float]:
        """Milliseconds of each of `count` executions, one at a time."""
        arn = self._machine(order["definition"])
        return [self._one(arn, order.get("input", "{}"), order.get("pause", 0.0)) for _ in range(order["count"])]

    def invocations(self, order: Order) -> list[float]:
        """Milliseconds of each of `count` Lambda invocations, one at a time."""
        return [self._invoked(order["function"]) for _ in range(order["count"])]

    def _machine(self, definition: str) -> str:
        name = f"bench-{uuid.uuid4().hex}"
        made = self._states.create_state_machine(name=name, definition=definition, roleArn=_ROLE)
        return str(made["stateMachineArn"])

    def _start_some(self, arn: str, count: int) -> None:
        for _ in range(count):
            # moto gives concurrent executions without a name the same one.
            self._states.start_execution(stateMachineArn=arn, name=uuid.uuid4().hex, input='{"a": 1}')

    def _until_none_runs(self, arn: str) -> None:
        deadline = time.monotonic() + _SECONDS
        while self._states.list_executions(stateMachineArn=arn, statusFilter="RUNNING", maxResults=1)["executions"]:
            if time.monotonic() > deadline:
                raise RuntimeError("executions still run after two minutes")
            time.sleep(0.005)

    def _count(self, arn: str, status: str) -> int:
        pages = self._states.get_paginator("list_executions").paginate(
            stateMachineArn=arn, statusFilter=status, PaginationConfig={"PageSize": _PAGE}
        )
        return sum(len(page["executions"]) for page in pages)

    def _one(self, arn: str, text: str, pause: float) -> float:
        start = time.perf_counter()
        execution = self._states.start_execution(stateMachineArn=arn, name=uuid.uuid4().hex, input=text)["executionArn"]
        while (status := self._states.describe_execution(executionArn=execution)["status"]) == "RUNNING":
            if time.perf_counter() - start > _SECONDS:
                raise RuntimeError(f"{execution} still runs after two minutes")
            time.sleep(pause)
        milliseconds = (time.perf_counter() - start) * 1000
        if status != "SUCCEEDED":
            raise RuntimeError(f"{execution} has {status}")
        return milliseconds

    def _invoked(self, function: str) -> float:
        start = time.perf_counter()
        answer: Mapping[str, Any] = self._functions.invoke(FunctionName=function, Payload=b'{"a": 1}')
        body = answer["Payload"].read()
        milliseconds = (time.perf_counter() - start) * 1000
        if "FunctionError" in answer:
            raise RuntimeError(f"{function}: {body!r}")
        return milliseconds


def main(endpoint: str) -> None:
    load = Load(endpoint)
    orders: Mapping[str, Callable[[Order], object]] = {
        "rate": load.rate,
        "starts": load.starts,
        "ones": load.ones,
        "invocations": load.invocations,
    }
    serve(lambda order: orders[order["do"]](order))


if __name__ == "__main__":
    main(sys.argv[1])
