"""DynamoDB's conditional writes: whether a condition held is what a write finds out, and no error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from functions.aws.services import error_code


@dataclass(slots=True)
class Condition:
    """What became of the one write inside `conditional`."""

    held: bool = True
    item: Mapping[str, Any] | None = None
    """The item that stood in the way, where the request asked for it (ReturnValuesOnConditionCheckFailure)."""
    error: ClientError | None = None


@contextmanager
def conditional() -> Iterator[Condition]:
    """Takes ConditionalCheckFailedException as an answer; every other error goes on.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ConditionExpressions.html
    """
    condition = Condition()
    try:
        yield condition
    except ClientError as error:
        if error_code(error) != "ConditionalCheckFailedException":
            raise
        response: Mapping[str, Any] = error.response
        condition.held, condition.item, condition.error = False, response.get("Item"), error
