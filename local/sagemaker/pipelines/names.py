"""Random parts of names: of executions, jobs and callback tokens."""

import os
import re
import string

_MAX_NAME, _MAX_TUNING_NAME = 63, 32
_LETTERS = string.ascii_letters + string.digits
_SMALL = string.ascii_lowercase + string.digits


def execution_id() -> str:
    return _random(12, _SMALL)


def callback_token() -> str:
    return _random(10, _LETTERS)


def job(execution_id: str, step: str, prefix: str | None = None) -> str:
    """Makes `pipelines-<execution id>-<step>-<suffix>`, as AWS does; `prefix` is one that the definition gives."""
    suffix = _random(10, _LETTERS)
    if prefix:
        return f"{prefix[: _MAX_NAME - len(execution_id) - 12].strip('-')}-{execution_id}-{suffix}"
    room = _MAX_NAME - len(f"pipelines-{execution_id}--{suffix}")
    return f"pipelines-{execution_id}-{_clean(step, room)}-{suffix}"


def tuning_job(execution_id: str, step: str) -> str:
    """Makes a name of at most 32 characters, as CreateHyperParameterTuningJob wants it."""
    suffix = _random(10, _LETTERS)
    return f"{execution_id}-{_clean(step, _MAX_TUNING_NAME - len(f'{execution_id}--{suffix}'))}-{suffix}"


def _clean(step: str, room: int) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", step)[:room].strip("-") or "step"


def _random(length: int, letters: str) -> str:
    # One call of the system for all: a name is no secret, and a slight bias harms none.
    return "".join(letters[byte % len(letters)] for byte in os.urandom(length))
