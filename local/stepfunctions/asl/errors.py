"""What goes wrong while a state is executed, by AWS's error names.

StatesError
 +- QueryEvaluationError    a JSONata expression, or a value it gave
SyntaxProblem               an expression that cannot be compiled; never leaves the compiler
"""

ALL = "States.ALL"
RUNTIME = "States.Runtime"
DATA_LIMIT_EXCEEDED = "States.DataLimitExceeded"
EXCEED_TOLERATED_FAILURE_THRESHOLD = "States.ExceedToleratedFailureThreshold"
HEARTBEAT_TIMEOUT = "States.HeartbeatTimeout"
INTRINSIC_FAILURE = "States.IntrinsicFailure"
NO_CHOICE_MATCHED = "States.NoChoiceMatched"
PARAMETER_PATH_FAILURE = "States.ParameterPathFailure"
QUERY_EVALUATION_ERROR = "States.QueryEvaluationError"
RESULT_PATH_MATCH_FAILURE = "States.ResultPathMatchFailure"
TASK_FAILED = "States.TaskFailed"
TIMEOUT = "States.Timeout"

TERMINAL = frozenset({RUNTIME})
"""What States.ALL and States.TaskFailed do not match.

AWS documents States.DataLimitExceeded as another; its recorded executions catch it.
"""


class StatesError(Exception):
    """A state failed with an error name and a cause."""

    def __init__(self, error: str | None, cause: str | None, *, bare: bool = False) -> None:
        """`bare`: the cause stands alone in the history, without naming the state and the event that entered it."""
        super().__init__(error, cause)
        self.error = error
        self.cause = cause
        self.bare = bare


class QueryEvaluationError(StatesError):
    """Leaves an EvaluationFailed event."""

    def __init__(self, cause: str, location: str | None = None) -> None:
        """`location`: the field, such as `Output/result`."""
        super().__init__(QUERY_EVALUATION_ERROR, cause)
        self.location = location


class SyntaxProblem(Exception):
    """An expression, path or template that is not of the language."""


def runtime(cause: str) -> StatesError:
    return StatesError(RUNTIME, cause)
