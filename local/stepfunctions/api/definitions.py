"""Definitions that are only looked at: ValidateStateMachineDefinition and TestState."""

import random
import time
import uuid
from typing import Any

from local.documents import Document
from local.stepfunctions.api.context import Context
from local.stepfunctions.api.errors import ApiError
from local.stepfunctions.asl import compiler
from local.stepfunctions.asl.documents import decode
from local.stepfunctions.asl.machine.machine import TaskState
from local.stepfunctions.asl.validation import InvalidDefinition, Problem, Severity
from local.stepfunctions.integrations import checking
from local.stepfunctions.integrations.task import TaskError
from local.stepfunctions.interpreter.commands import ScheduleTask
from local.stepfunctions.teststate import request as testrequest
from local.stepfunctions.teststate import teststate

_DEFAULT_RESULTS = 100


def check(text: str, *, express: bool) -> None:
    """Raises ApiError with every problem."""
    problems = [problem for problem in _problems(text, express=express) if problem.severity is Severity.ERROR]
    if problems:
        raise ApiError("InvalidDefinition", str(InvalidDefinition(problems)))


def _problems(text: str, *, express: bool) -> list[Problem]:
    """Returns what the language finds; where that is nothing, what the services' models find."""
    problems = list(compiler.validate(text, express=express))
    if any(problem.severity is Severity.ERROR for problem in problems):
        return problems
    return [*problems, *checking.problems(decode(text))]


def validate(_context: Context, request: Document) -> Document:
    problems = _problems(request["definition"], express=request.get("type") == "EXPRESS")
    wrong = any(problem.severity is Severity.ERROR for problem in problems)
    if request.get("severity", "ERROR") == "ERROR":
        problems = [problem for problem in problems if problem.severity is Severity.ERROR]
    most = request.get("maxResults") or _DEFAULT_RESULTS
    return {
        "result": "FAIL" if wrong else "OK",
        "diagnostics": [problem.as_diagnostic() for problem in problems[:most]],
        "truncated": len(problems) > most,
    }


class _Effects:
    def random(self) -> float:
        return random.random()

    def uuid(self) -> str:
        return str(uuid.uuid4())

    def token(self, task: int) -> str:
        del task
        return str(uuid.uuid4())


def test_state(context: Context, request: Document) -> Document:
    """Tries a state; a Task without a mock is really carried out."""

    def perform(state: TaskState, arguments: Any) -> Any:
        command = ScheduleTask(0, state.name, state.resource, arguments, str(uuid.uuid4()), None, None, None)
        try:
            return decode(context.call(command))
        except TaskError as failure:
            raise teststate.WorkFailed(failure.error, failure.cause) from failure

    try:
        return teststate.answer(request, time.time(), _Effects(), perform)
    except testrequest.Refused as refused:
        raise ApiError(refused.code, str(refused)) from refused
