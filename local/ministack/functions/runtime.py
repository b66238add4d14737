"""What runs inside the process of a Python function: load its handler once, then answer one event after another.

The cloud starts this file as a script (see process.py) and speaks to it over a socket: a frame is four bytes of
length and that many of JSON. The first frame says what to load. Answers, errors and log lines have the shape that
AWS's own Python runtime gives them. It imports nothing of ours and as little as it can of anything, because every
cold start pays for it and because the function must find here what it finds on AWS.
"""

import contextlib
import importlib
import importlib.abc
import json
import math
import os
import select
import signal
import socket
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType, TracebackType
from typing import Any

Json = Any
Handler = Callable[[Json, object], object]

TASK_ROOT = "/var/task"
OPT = "/opt"

READY, RESULT, ERROR = b"I", b"R", b"E"
"""The first byte of a frame that goes back; four bytes of peak memory in KB and the payload follow."""

RESPONSE_LIMIT = 6_291_556
"""Bytes of an answer; AWS's message names this number."""

DEPTH_VARIABLE = "_MINISTACK_INVOKE_DEPTH"
DEPTH_HEADER = "X-Ministack-Invoke-Depth"


class Fault(Exception):
    """The runtime itself, not the handler, has something to report: a `Runtime.*` error."""

    def __init__(self, kind: str, message: str, stack: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.stack = list(stack)


class Channel:
    """The socket to the cloud. The cloud's death ends this process, whatever the handler is doing."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        # What the handler starts must not hold the socket open.
        self._socket.set_inheritable(False)

    def end_with_the_cloud(self) -> None:
        """Watch for the other end to close: an invocation that nobody waits for any more would repeat its effects."""
        hung_up = select.poll()
        hung_up.register(self._socket, 0)

        def watch() -> None:
            hung_up.poll()
            # The whole session, so that what the handler started goes too.
            os.killpg(0, signal.SIGKILL)

        threading.Thread(target=watch, name="cloud", daemon=True).start()

    def receive(self) -> Json:
        (length,) = struct.unpack(">I", self._read(4))
        return json.loads(self._read(length))

    def send(self, kind: bytes, body: bytes) -> None:
        self._socket.sendall(struct.pack(">IcI", len(body) + 5, kind, peak_memory()) + body)

    def _read(self, count: int) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            part = self._socket.recv(count - len(parts))
            if not part:
                raise SystemExit(0)
            parts += part
        return bytes(parts)


def peak_memory() -> int:
    """Returns KB; 0 where the system does not tell."""
    # getrusage's figure begins with that of the process that started this one.
    try:
        with open("/proc/self/status", "rb") as status:  # noqa: PTH123 - pathlib would cost a cold start 5 ms
            peak = status.read().partition(b"VmHWM:")[2].split(maxsplit=1)
    except OSError:
        return 0
    return int(peak[0]) if peak else 0


class Identity:
    """Who signed the caller in with Cognito; nobody, here."""

    cognito_identity_id: str | None = None
    cognito_identity_pool_id: str | None = None


class Context:
    """The context object of one invocation, with the names that AWS documents."""

    identity = Identity()
    client_context = None

    def __init__(self, request_id: str, function_arn: str, deadline: float) -> None:
        self.aws_request_id = request_id
        self.invoked_function_arn = function_arn
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self._deadline = deadline

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._deadline - time.time()) * 1000))


class Paths:
    """Where the code lies here, and what AWS calls those places."""

    def __init__(self, task_root: str, layers: Sequence[str]) -> None:
        self._names = [(task_root + "/", TASK_ROOT + "/"), *((layer + "/", OPT + "/") for layer in layers)]

    def on_aws(self, path: str) -> str:
        for here, there in self._names:
            if path.startswith(here):
                return there + path[len(here) :]
        return path

    def stack(self, trace: TracebackType | None) -> list[str]:
        """Returns the frames of a traceback from the handler on, one string each, without the marks under a line."""
        frames = [frame for frame in traceback.extract_tb(trace) if frame.filename != __file__]
        return traceback.format_list([(self.on_aws(f.filename), f.lineno or 0, f.name, f.line) for f in frames])


def load(handler: str, paths: Paths) -> Handler:
    """Returns the function that a `Handler` string names. Raises Fault as AWS's runtime words it."""
    module_name, dot, name = handler.rpartition(".")
    if not dot:
        raise Fault(
            "Runtime.MalformedHandlerName", f"Bad handler '{handler}': not enough values to unpack (expected 2, got 1)"
        )
    module_path = module_name.replace("/", ".")
    if module_path.partition(".")[0] in sys.builtin_module_names:
        raise Fault("Runtime.BuiltInModuleConflict", f"Cannot use built-in module {module_name} as a handler module")
    try:
        module = importlib.import_module(module_path)
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}") from error
    except SyntaxError as error:
        where = f'  File "{paths.on_aws(error.filename or "")}" Line {error.lineno}\n    {error.text}'
        raise Fault(
            "Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}", [where]
        ) from error
    try:
        function: Handler = getattr(module, name)
    except AttributeError:
        raise Fault("Runtime.HandlerNotFound", f"Handler '{name}' missing on module '{module_name}'") from None
    return function


def marshal(value: object) -> bytes:
    """Returns a handler's answer: bytes as they are, all else as JSON, where a Decimal is the number it is. Raises
    Fault.
    """
    content = value if isinstance(value, bytes) else as_json(value).encode("utf-8", "replace")
    if len(content) > RESPONSE_LIMIT:
        limit = f"exceeded maximum allowed payload size ({RESPONSE_LIMIT} bytes)."
        raise Fault("Function.ResponseSizeTooLarge", f"Response payload size ({len(content)} bytes) {limit}")
    return content


def as_json(value: object) -> str:
    """Returns the text of any value of a handler. Bytes inside it are text. Raises Fault."""
    decimals: dict[str, str] = {}

    def plain(item: object) -> object:
        if isinstance(item, bytes):
            return item.decode("utf-8")
        # A Decimal can only come from a module that is loaded, so this one need not load it.
        if "decimal" in sys.modules and isinstance(item, sys.modules["decimal"].Decimal):
            if item.is_nan():
                return math.nan
            # json has no hook for a number's text: a mark stands for it until the text is whole.
            mark = f"\x00{len(decimals)}\x00"
            decimals[json.dumps(mark)] = str(item)
            return mark
        raise TypeError(f"Object of type {type(item).__name__} is not JSON serializable")

    try:
        text = json.dumps(value, ensure_ascii=False, default=plain)
    except Exception as error:
        raise Fault("Runtime.MarshalError", f"Unable to marshal response: {error}") from error
    for mark, number in decimals.items():
        text = text.replace(mark, number)
    return text


def problem(kind: str, message: str, stack: Sequence[str], request_id: str) -> bytes:
    """Returns the error document, and its lines on the log."""
    document = {"errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": stack}
    head = f"[ERROR] {kind}: {message}" if message else f"[ERROR] {kind}"
    flush()
    lines = "\n".join([head, "Traceback (most recent call last):", *(line.rstrip("\n") for line in stack)]) + "\n"
    # Past sys.stderr, which is the handler's to replace or close.
    with contextlib.suppress(OSError):
        os.write(2, lines.encode("utf-8", "backslashreplace"))
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")


def answer(handler: Handler, event: Json, context: Context, paths: Paths) -> tuple[bytes, bytes]:
    """Makes one invocation. SystemExit and its like end the process, as on AWS; so does an exception that has no
    text.
    """
    request_id = context.aws_request_id
    try:
        return RESULT, marshal(handler(event, context))
    except Fault as fault:
        return ERROR, problem(fault.kind, fault.message, fault.stack, request_id)
    except Exception as error:  # noqa: BLE001 - the edge of the handler: AWS reports whatever it raises
        return ERROR, problem(type(error).__name__, str(error), paths.stack(error.__traceback__), request_id)


def initialize(handler: str, paths: Paths) -> Handler | bytes:
    """Returns the handler, or the error document that tells why there is none."""
    try:
        return load(handler, paths)
    except Fault as fault:
        return problem(fault.kind, fault.message, fault.stack, "")
    except Exception as error:  # noqa: BLE001 - whatever the module's own code raises
        return problem(type(error).__name__, str(error), paths.stack(error.__traceback__), "")


def run_snapshot_hooks() -> None:
    """Does what a published version with SnapStart does before its first invocation, when its library is there."""
    try:
        hooks: Any = importlib.import_module("snapshot_restore_py")
    except ImportError:
        return
    for function, args, kwargs in [*reversed(hooks.get_before_snapshot()), *hooks.get_after_restore()]:
        function(*args, **kwargs)


class DepthHeader(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Send how deep in a chain of functions this one is with every call of botocore's, once that is imported.

    The cloud stops a chain of functions that call each other for ever, and gives each depth its own turns.
    """

    _module = "botocore.handlers"

    _real: importlib.abc.Loader

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._module:
            return None
        sys.meta_path.remove(self)
        for finder in sys.meta_path:
            spec = finder.find_spec(fullname, path, target)
            if spec is not None and spec.loader is not None:
                self._real, spec.loader = spec.loader, self
                return spec
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._real.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._real.exec_module(module)
        handlers: Any = module
        handlers.BUILTIN_HANDLERS.append(("before-call", self._add))

    @staticmethod
    def _add(params: Mapping[str, Any], **_: object) -> None:
        depth = os.environ.get(DEPTH_VARIABLE)
        if depth:
            params["headers"].setdefault(DEPTH_HEADER, depth)


def prepare_logging(request_id: Callable[[], str]) -> None:
    """Give the root logger the one handler it has on AWS."""
    import logging

    class Line(logging.Formatter):
        converter = staticmethod(time.gmtime)

        def format(self, record: logging.LogRecord) -> str:
            record.aws_request_id = request_id()
            return super().format(record)

    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        Line("[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s", "%Y-%m-%dT%H:%M:%S")
    )
    logging.root.addHandler(handler)


def set_variables(values: Mapping[str, str | None]) -> None:
    """Sets the variables that belong to one invocation only, or removes them."""
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def python_paths(task_root: str, layers: Sequence[str]) -> list[str]:
    """Returns where a function's imports are looked for first: its code, then its layers, the last one first."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    paths = [task_root]
    for layer in reversed(layers):
        for folder in (f"{layer}/python/lib/{version}/site-packages", f"{layer}/python", layer):
            if os.path.isdir(folder):  # noqa: PTH112 - pathlib would cost a cold start 5 ms
                paths.append(folder)
    return paths


def flush() -> None:
    """Puts everything printed into the pipe before the answer goes into the socket: the log is complete by then."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        # ValueError: the handler closed it; AttributeError: it put something else there.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()  # type: ignore[union-attr]


def main() -> None:
    channel = Channel(int(sys.argv[1]))
    channel.end_with_the_cloud()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]
    setup = channel.receive()
    paths = Paths(setup["task_root"], setup["layers"])
    sys.path[:0] = python_paths(setup["task_root"], setup["layers"])
    sys.meta_path.insert(0, DepthHeader())
    current = ""
    prepare_logging(lambda: current)
    handler = initialize(setup["handler"], paths)
    if not isinstance(handler, bytes) and setup["snapstart"]:
        run_snapshot_hooks()
    flush()
    if isinstance(handler, bytes):
        channel.send(ERROR, handler)
        raise SystemExit(1)
    channel.send(READY, b"null")
    while True:
        message = channel.receive()
        current = message["request_id"]
        set_variables(message["variables"])
        context = Context(current, message["function_arn"], message["deadline"])
        kind, payload = answer(handler, message["event"], context, paths)
        flush()
        channel.send(kind, payload)


if __name__ == "__main__":
    main()
