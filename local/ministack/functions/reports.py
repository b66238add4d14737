"""What Lambda itself says about an invocation: the errors no runtime could report, and the lines around the log."""

import json
import math
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an invocation ended: what the caller gets, whether that is an error, and the log with its platform lines."""

    body: Any
    """What the payload's JSON holds; the payload itself where it is none."""
    failed: bool
    log: str
    stream: str | None = None
    """The log stream of the environment; None when the log lacks the platform lines and is nowhere yet."""


@dataclass(frozen=True, slots=True)
class Measures:
    """What an invocation took: seconds, of these the ones before the handler was called, and MB."""

    seconds: float
    loading: float = 0.0
    peak_memory: int = 0


def answered(request_id: str, payload: bytes, config: Mapping[str, Any], log: str, took: Measures) -> Outcome:
    """Reports that the handler returned."""
    try:
        body = json.loads(payload)
    except ValueError:
        # A handler may answer with any bytes; the caller gets them as they are.
        body = payload
    return Outcome(body, False, _log(request_id, config, log, took))


def raised(request_id: str, payload: bytes, config: Mapping[str, Any], log: str, took: Measures) -> Outcome:
    """Reports that the handler, or the module it stands in, raised."""
    body = json.loads(payload)
    return Outcome(body, True, _log(request_id, config, log, took, "error", body["errorType"]))


def timed_out(request_id: str, config: Mapping[str, Any], log: str, took: Measures) -> Outcome:
    """Reports that the function's Timeout passed."""
    text = f"Task timed out after {float(config.get('Timeout', 3)):.2f} seconds"
    body = {"errorType": "Sandbox.Timedout", "errorMessage": f"RequestId: {request_id} Error: {text}"}
    return Outcome(body, True, _log(request_id, config, log, took, "timeout"))


def ended(request_id: str, status: int, config: Mapping[str, Any], log: str, took: Measures) -> Outcome:
    """Reports that the process ended; `status` is its exit status, or minus the signal that killed it."""
    if status < 0:
        named = _SIGNALS.get(-status) or signal.strsignal(-status) or str(-status)
        how = f"exited with error: signal: {named.lower()}"
    elif status:
        how = f"exited with error: exit status {status}"
    else:
        how = "exited without providing a reason"
    text = f"RequestId: {request_id} Error: Runtime {how}"
    body = {"errorType": "Runtime.ExitError", "errorMessage": text}
    lines = [line for line in (log, text, "Runtime.ExitError") if line]
    return Outcome(body, True, _log(request_id, config, "\n".join(lines), took, "error", "Runtime.ExitError"))


# As Go, which Lambda is written in, words them where the C library does otherwise.
_SIGNALS: Mapping[int, str] = {
    signal.SIGABRT: "aborted",
    signal.SIGSEGV: "segmentation fault",
    signal.SIGINT: "interrupt",
}


def _log(
    request_id: str, config: Mapping[str, Any], log: str, took: Measures, status: str = "", error: str = ""
) -> str:
    duration = took.seconds * 1000
    report = [
        f"REPORT RequestId: {request_id}",
        f"Duration: {duration:.2f} ms",
        f"Billed Duration: {math.ceil(duration)} ms",
        f"Memory Size: {config.get('MemorySize', 128)} MB",
        f"Max Memory Used: {took.peak_memory} MB",
    ]
    if took.loading:
        report.append(f"Init Duration: {took.loading * 1000:.2f} ms")
    if status:
        report.append(f"Status: {status}")
    if error:
        report.append(f"Error Type: {error}")
    lines = [
        f"START RequestId: {request_id} Version: {config.get('Version', '$LATEST')}",
        *([log] if log else []),
        f"END RequestId: {request_id}",
        "\t".join(report),
    ]
    return "\n".join(lines)
