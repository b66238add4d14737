"""InvokeEndpointWithResponseStream: a container's answer as an event stream, part by part as it comes.

Source: "Event stream encoding" of the AWS protocols, and the runtime's ResponseStream shape.
"""

import json
import struct
import time
import zlib
from collections.abc import Callable

from local.sagemaker.endpoints import failures, runtime
from local.sagemaker.endpoints.headers import Headers
from local.sagemaker.endpoints.hosting import Endpoints
from local.sagemaker.endpoints.instance import Reply, Unanswered
from local.sagemaker.endpoints.invoke import fields, sessions, unloaded
from local.sagemaker.machine.metrics import Metrics
from local.sagemaker.wire.errors import WorkFailed

_STRING = 7
_EVENTS = "application/vnd.amazon.eventstream"


class Parts:
    """An answer's frames. `read` blocks until the container has sent more; to be closed, by any thread."""

    def __init__(self, reply: Reply, done: Callable[[int], None]) -> None:
        self._reply: Reply | None = reply
        self._hostname = reply.hostname
        self._status = reply.status
        self._done = done

    def read(self) -> bytes:
        """Returns the next frame; empty at the end. What goes wrong within the answer is the last frame."""
        reply = self._reply
        if reply is None:
            return b""
        try:
            chunk = reply.read()
        except Unanswered as error:
            self._status = 0
            self.close()
            return _broken(error)
        if not chunk:
            self.close()
            return b""
        return frame({":message-type": "event", ":event-type": "PayloadPart"}, "application/octet-stream", chunk)

    def close(self) -> None:
        reply, self._reply = self._reply, None
        if reply is not None:
            reply.close()
            self._done(self._status)


def invoke_stream(endpoints: Endpoints, name: str, headers: Headers, body: bytes) -> tuple[int, dict[str, str], Parts]:
    """Answers once the container has begun to. Raises what `invoke.invoke` raises."""
    members = runtime.check("InvokeEndpointWithResponseStream", name, headers)
    runtime.check_body(body)
    machine, hosting = endpoints.machine, endpoints.machine.settings.hosting
    hosted = runtime.live(endpoints, name, hosting.invocation_seconds)
    runtime.synchronous(machine, hosted)
    metrics = Metrics(machine.meter, name)
    route = runtime.route_for(hosted, members)
    begun = time.perf_counter()

    def done(status: int) -> None:
        route.fleet.release(route.variant, route.instance)
        metrics.invoked(route.variant.name, route.variant.count, status, (time.perf_counter() - begun) * 1e6)

    try:
        runtime.check_target(name, route, members)
        reply = route.instance.ask(runtime.ask(headers, members, body, hosting.invocation_seconds))
        if not reply.ok:
            try:
                raise failures.model_error(machine, name, reply.status, reply.hostname, failures.said(reply))
            finally:
                reply.close()
    except Unanswered as error:
        done(0)
        status, message = failures.reason(error)
        raise failures.model_error(machine, name, status, error.hostname, message) from error
    except WorkFailed as error:
        done(400)
        raise unloaded(error) from error
    except BaseException as error:
        done(getattr(error, "members", {}).get("OriginalStatusCode", 400))
        raise
    sessions(hosted, headers, reply.headers, route.instance)
    reply.extend(hosting.stream_seconds)
    return 200, _fields(reply, route.variant.name), Parts(reply, done)


def _fields(reply: Reply, variant: str) -> dict[str, str]:
    answered = fields(reply.headers, variant)
    return {**answered, "Content-Type": _EVENTS, "X-Amzn-SageMaker-Content-Type": answered["Content-Type"]}


def _broken(error: Unanswered) -> bytes:
    if error.late:
        code = "ModelInvocationTimeExceeded"
        said = f"Your model {error.hostname} did not complete sending the inference response in the allotted time."
    else:
        code = "StreamBroken"
        said = f"The stream of your model {error.hostname} closed before the response could be completed."
    payload = json.dumps({"Message": said, "ErrorCode": code}).encode()
    return frame({":message-type": "exception", ":exception-type": "ModelStreamError"}, "application/json", payload)


def frame(headers: dict[str, str], content_type: str, payload: bytes) -> bytes:
    """Returns one message of an event stream."""
    packed = b"".join(_header(name, value) for name, value in {**headers, ":content-type": content_type}.items())
    lengths = struct.pack("!II", 16 + len(packed) + len(payload), len(packed))
    message = lengths + _checksum(lengths) + packed + payload
    return message + _checksum(message)


def _header(name: str, value: str) -> bytes:
    return struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", _STRING, len(value)) + value.encode()


def _checksum(content: bytes) -> bytes:
    return struct.pack("!I", zlib.crc32(content))
