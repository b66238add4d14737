"""What is wrong with a definition, in AWS's codes, words and locations."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Code(StrEnum):
    SCHEMA_VALIDATION_FAILED = "SCHEMA_VALIDATION_FAILED"
    INVALID_JSON_DESCRIPTION = "INVALID_JSON_DESCRIPTION"
    MISSING_TRANSITION_TARGET = "MISSING_TRANSITION_TARGET"
    DUPLICATE_STATE_NAME = "DUPLICATE_STATE_NAME"


class Severity(StrEnum):
    ERROR = "ERROR"
    WARNING = "WARNING"


@dataclass(frozen=True, slots=True)
class Problem:
    code: Code
    message: str
    location: str
    """`/States/Query/Resource`"""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        return f"{self.code}: {self.message} at {self.location}"

    def as_diagnostic(self) -> dict[str, str]:
        """Returns the problem as ValidateStateMachineDefinition answers it."""
        return {
            "severity": self.severity.value,
            "code": self.code.value,
            "message": self.message,
            "location": self.location,
        }


class InvalidDefinition(Exception):
    """The text is that of AWS's InvalidDefinition."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(f"Invalid State Machine Definition: '{', '.join(map(str, self.problems))}'")


@dataclass(slots=True)
class Report:
    """The problems found so far."""

    problems: list[Problem] = field(default_factory=list)

    def add(self, message: str, location: str, code: Code = Code.SCHEMA_VALIDATION_FAILED) -> None:
        self.problems.append(Problem(code, message, location or "/"))
