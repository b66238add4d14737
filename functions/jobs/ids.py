"""Job ids and the names computed from them. The same upload always gives the same id, and an id the same names.

An id is 26 characters of Crockford's base32 (no I, L, O, U): a ULID (https://github.com/ulid/spec) when the API makes
it, the head of a hash when it is derived from an uploaded object.
"""

import hashlib
import os
import re
from collections.abc import Callable
from datetime import datetime

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 26
"""Characters of an id."""
_JOB_ID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")


def is_job_id(text: str) -> bool:
    return _JOB_ID.fullmatch(text) is not None


def _encode(number: int) -> str:
    return "".join(_ALPHABET[number >> (5 * place) & 31] for place in reversed(range(LENGTH)))


def ulid(now: datetime, randomness: Callable[[int], bytes] = os.urandom) -> str:
    """Returns a new id: 48 bits of milliseconds since 1970, then 80 random bits."""
    return _encode((int(now.timestamp() * 1000) << 80) | int.from_bytes(randomness(10)))


def derived(bucket: str, key: str, version: str, *extra: str) -> str:
    """Returns the id of one version of one object; `version` is its version id, or its ETag in an unversioned bucket.

    The first 130 bits of SHA-256, the first character masked to 0-7 as in a ULID. `extra` makes a second id for the
    same object on purpose (a retraining without new data).
    """
    digest = hashlib.sha256("\n".join([bucket, key, version, *extra]).encode()).digest()
    return _encode((int.from_bytes(digest) >> (256 - 130)) & ((1 << 128) - 1))


def client_request_token(job_id: str) -> str:
    """ClientRequestToken of StartPipelineExecution (32 to 128 characters): a repeated start gives one execution."""
    return hashlib.sha256(job_id.encode()).hexdigest()


def candidate_name(endpoint: str, job_id: str) -> str:
    """Name of the endpoint, and of its config, at which a deployment's model is asked first."""
    return f"{deployment_name(endpoint, job_id)[:57]}-trial"


def deployment_name(endpoint: str, job_id: str) -> str:
    """Name of the model and of the endpoint config that job `job_id` puts behind `endpoint`; at most 63 characters."""
    return f"{endpoint[:50]}-{hashlib.sha256(job_id.encode()).hexdigest()[:12]}"
