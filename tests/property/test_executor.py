"""Whatever is asked of the executor, in whatever order and with kills in between: nothing is lost, undone or early."""

import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from local.stepfunctions.executor.errors import AlreadyExists, NotRedrivable, TaskOver, TokenInvalid
from local.stepfunctions.executor.live import identity_of, machine_of
from local.stepfunctions.executor.tasks import ScheduledTask
from local.stepfunctions.interpreter import interpreter
from local.stepfunctions.interpreter.changes import replay
from local.stepfunctions.interpreter.stimuli import Stimulus, TaskFailed, TaskHeartbeat, TaskStarted, TaskSucceeded
from local.stepfunctions.journal.rows import execution_arn
from tests.crash import histories
from tests.crash.workload import branches, each, flow, task, wait
from tests.property.lives import EFFECTS
from tests.unit.local.stepfunctions.executor.world import MACHINE, SECONDS, Clock, Engine, Tasks, killed

_RETRY = [{"ErrorEquals": ["E"], "MaxAttempts": 1}]
_TOKEN = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
_MACHINES = [
    flow({"A": {"Type": "Pass"}}),
    flow({"A": wait(5), "B": task("hang", Retry=_RETRY)}),
    flow({"A": {**task("hang"), "Resource": _TOKEN, "TimeoutSeconds": 9, "HeartbeatSeconds": 4}}, TimeoutSeconds=30),
    flow({"A": branches({"B": task("hang")}, {"C": wait(3), "D": {"Type": "Fail", "Error": "E"}}, Retry=_RETRY)}),
    flow({"A": {"Type": "Pass", "Result": [1, 2, 3]}, "B": each("$", {"C": task("hang"), "D": wait(2)},
                                                                MaxConcurrency=2)}),
]  # fmt: skip
_NAMES = [None, "one", "two"]


class Executions(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.threads = threading.active_count()
        self.folder = tempfile.TemporaryDirectory()
        self.lives = 0
        self.clock = Clock()
        self.tasks = Tasks()
        self.performed: list[ScheduledTask] = []
        self.over: dict[str, tuple[str, Any]] = {}
        """What those that were acknowledged have come to."""
        self._boot()

    def _boot(self) -> None:
        here = self._here()
        here.mkdir(exist_ok=True)
        self.engine = Engine(here, self.clock, self.tasks)

    def _here(self) -> Path:
        return Path(self.folder.name) / str(self.lives)

    def teardown(self) -> None:
        if hasattr(self, "engine"):
            self.engine.executor.stop()
            self.folder.cleanup()
            assert threading.active_count() <= self.threads

    # What can be asked.

    @rule(machine=st.sampled_from(_MACHINES), name=st.sampled_from(_NAMES))
    def start(self, machine: Any, name: str | None) -> None:
        known = name is not None and execution_arn(MACHINE, name) in self.over
        try:
            arn = self.engine.begin(machine, name=name)
        except AlreadyExists:
            assert known
        else:
            assert not known
            self.over[arn] = ("RUNNING", None)

    @precondition(lambda self: self.performed)
    @rule(data=st.data(), output=st.sampled_from(['"done"', "[]", "no JSON"]))
    def tell(self, data: st.DataObject, output: str) -> None:
        """Also a task that is over, or one of before a kill."""
        work = data.draw(st.sampled_from(self.performed))
        number = work.command.task
        stimuli: list[Stimulus] = [
            TaskStarted(number), TaskSucceeded(number, output), TaskFailed(number, "E"), TaskFailed(number),
            TaskHeartbeat(number),
        ]  # fmt: skip
        self.engine.executor.tell(work.row.id, data.draw(st.sampled_from(stimuli)))

    @precondition(lambda self: self.performed)
    @rule(data=st.data(), how=st.integers(0, 2))
    def use_a_token(self, data: st.DataObject, how: int) -> None:
        token = data.draw(st.sampled_from(self.performed)).command.token
        executor = self.engine.executor
        asked = [executor.answer(token, "1"), executor.fail(token, "E", None), executor.beat(token)][how:][:1]
        with suppress(TaskOver):
            asked[0].result(SECONDS)

    @rule(token=st.text(max_size=60))
    def use_a_token_that_was_made_up(self, token: str) -> None:
        try:
            self.engine.executor.answer(token, "1").result(SECONDS)
        except TokenInvalid:
            return
        raise AssertionError("it was taken")

    @precondition(lambda self: self.over)
    @rule(data=st.data())
    def stop(self, data: st.DataObject) -> None:
        self.engine.executor.stop_execution(data.draw(st.sampled_from(list(self.over)))).result(SECONDS)

    @precondition(lambda self: self.over)
    @rule(data=st.data())
    def redrive(self, data: st.DataObject) -> None:
        arn = data.draw(st.sampled_from(list(self.over)))
        self._look()
        status, _ = self.over[arn]
        try:
            self.engine.executor.redrive_execution(arn).result(SECONDS)
        except NotRedrivable:
            assert status in ("RUNNING", "SUCCEEDED")
        else:
            assert status not in ("RUNNING", "SUCCEEDED")
            self.over[arn] = ("RUNNING", None)

    @rule(seconds=st.sampled_from([0.5, 2.0, 5.0, 40.0]))
    def wait(self, seconds: float) -> None:
        self.engine.later(seconds)

    @rule(cleanly=st.booleans(), down=st.sampled_from([0.0, 3.5, 60.0]))
    def restart(self, cleanly: bool, down: float) -> None:
        before = self._here()
        self.lives += 1
        if cleanly:
            self.engine.executor.stop()
            before.rename(self._here())
        else:
            killed(before, self._here())
            self.engine.executor.stop()
        self.clock.now += down
        self._boot()

    # What stays true.

    @invariant()
    def holds_together(self) -> None:
        if not hasattr(self, "engine"):
            return
        self._look()
        while not self.tasks.performed.empty():
            self.performed.append(self.tasks.next())

    def _look(self) -> None:
        self.engine.settle()
        reader = self.engine.executor.reader
        for arn, (status, output) in self.over.items():
            row = reader.execution(arn)
            assert row is not None, "an acknowledged execution is lost"
            records = reader.records(row.id)
            histories.check(histories.shown(records), row.status)
            found = row.status, records[-1].details.get("output")
            if status != "RUNNING":
                assert found == (status, output), "what was over has changed"
            elif row.status == "RUNNING":
                execution = replay(machine_of(row.revision), identity_of(row), records)
                assert interpreter.resume(execution, self.clock.now, EFFECTS), "it waits for nothing"
            else:
                self.over[arn] = found
        running = sum(status == "RUNNING" for status, _ in self.over.values())
        assert reader.count_running(MACHINE) == running


Executions.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None, derandomize=True)
TestExecutions = Executions.TestCase
