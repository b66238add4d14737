"""One state folder; a Step Functions that can be stopped and started again over it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.stepfunctions.service import Settings, StepFunctions
from tests.unit.local.stepfunctions.api.cloud import PASS, ROLE, FakeCloud, Loop, connect


class World:
    def __init__(self, root: Path, loop: Loop) -> None:
        self.settings = Settings(state_dir=root / "state")
        self.loop = loop
        self.cloud = FakeCloud()
        self.wanted = True
        self.service = StepFunctions(self.cloud, self.settings, lambda _: self.wanted)
        self.client: Any = connect(self.service, loop)

    def restart(self) -> int:
        self.service.stop()
        self.service = StepFunctions(self.cloud, self.settings, lambda _: self.wanted)
        self.client = connect(self.service, self.loop)
        self.service.start()
        return self.service.resume()

    def logging(self, level: str = "ALL", *, data: bool = True) -> dict[str, Any]:
        """A loggingConfiguration, of a group that exists."""
        self.cloud.logs.groups.add("/g")
        group = {"logGroupArn": "arn:aws:logs:us-east-1:000000000000:log-group:/g:*"}
        return {"level": level, "includeExecutionData": data, "destinations": [{"cloudWatchLogsLogGroup": group}]}

    def machine(self, name: str = "m", text: str = PASS, **more: Any) -> str:
        """Its ARN."""
        made = self.client.create_state_machine(name=name, definition=text, roleArn=ROLE, **more)
        return str(made["stateMachineArn"])

    def execution(self, machine: str, **more: Any) -> str:
        """Its ARN."""
        return str(self.client.start_execution(stateMachineArn=machine, **more)["executionArn"])

    def settle(self) -> None:
        """Until the engine has done what followed from what it was asked."""
        for _ in range(3):
            self.service._context.executor.ask(lambda _: None).result(10)  # type: ignore[union-attr]

    def over(self, execution: str) -> dict[str, Any]:
        """Its description, once it is over."""
        done = self.cloud.told
        ended: list[object] = []

        def note(over: object) -> None:
            with done:
                ended.append(over)
                done.notify_all()

        self.service.when_over(execution, note)
        self.cloud.wait_for(lambda: ended)
        described: dict[str, Any] = self.client.describe_execution(executionArn=execution)
        return described


@pytest.fixture(scope="session")
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.stop()


@pytest.fixture
def world(tmp_path: Path, loop: Loop) -> Iterator[World]:
    world = World(tmp_path, loop)
    world.service.start()
    world.service.resume()
    yield world
    world.service.stop()
