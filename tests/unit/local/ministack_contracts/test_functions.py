"""Lambda under MiniStack's API: what a function's failure looks like, its log, its end; and the names it stands on."""

import inspect
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ministack.core import lambda_runtime
from ministack.services import cloudwatch_logs, lambda_svc

from local.ministack import functions
from local.ministack.functions import code, executor, logs, process, worker
from local.ministack.functions import runtime as worker_runtime
from local.ministack.functions.environment import Host
from local.ministack.functions.executor import INTERRUPTED, Executor, _of_node
from local.ministack.functions.reports import Outcome
from local.ministack.functions.turns import Turns
from local.ministack.functions.walls import Standing
from local.ministack.functions.worker import Invocation, Worker
from local.walls.boundary import NO_WALLS
from local.walls.probing import strongest

REQUEST = "11111111-2222-3333-4444-555555555555"


def archive(**files: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as content:
        for name, text in files.items():
            content.writestr(f"{name}.py", text)
    return buffer.getvalue()


class Function:
    """One execution environment of a function given as source."""

    def __init__(self, code_zip: bytes, **config: Any) -> None:
        self.config = {
            "FunctionName": "f",
            "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:f",
            "Runtime": "python3.12",
            "Handler": "handler.handler",
            "Timeout": 10,
            **config,
        }
        self.worker = Worker("f", self.config, code_zip)

    def __call__(self, event: Any = None, **variables: str) -> Outcome:
        per_call = {"_X_AMZN_TRACE_ID": None, worker_runtime.DEPTH_VARIABLE: None, **variables}
        return self.worker.run(Invocation(event, REQUEST, self.config["FunctionArn"], per_call))


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(Standing, "boundary", strongest())
    worker.closing.clear()
    yield
    worker.closing.clear()


@pytest.fixture
def no_walls(monkeypatch: pytest.MonkeyPatch) -> None:
    """For functions that talk to their test by a file of the machine's."""
    monkeypatch.setattr(Standing, "boundary", NO_WALLS)


class Make:
    """Makes functions, and ends their processes after the test."""

    def __init__(self) -> None:
        self.made: list[Function] = []

    def __call__(self, source: str, **config: Any) -> Function:
        return self.of(archive(handler=source), **config)

    def of(self, code_zip: bytes, **config: Any) -> Function:
        self.made.append(Function(code_zip, **config))
        return self.made[-1]


@pytest.fixture
def make() -> Iterator[Make]:
    maker = Make()
    yield maker
    lambda_runtime.kill_workers([function.worker for function in maker.made])


def body(outcome: Outcome) -> Mapping[str, Any]:
    assert outcome.failed, outcome
    assert isinstance(outcome.body, dict)
    return outcome.body


def message(text: str) -> str:
    return f"RequestId: {REQUEST} Error: {text}"


# What a failure looks like.


def test_an_exception_has_its_class_its_text_and_its_stack_as_aws_reports_them(make: Make) -> None:
    outcome = make('def handler(event, context):\n    raise Exception("Some exception was raised.")\n')()
    assert list(body(outcome).items()) == [
        ("errorMessage", "Some exception was raised."),
        ("errorType", "Exception"),
        ("requestId", REQUEST),
        (
            "stackTrace",
            ['  File "/var/task/handler.py", line 2, in handler\n    raise Exception("Some exception was raised.")\n'],
        ),
    ]


def test_the_stack_names_every_frame_of_the_function_without_marks_under_the_line(make: Make) -> None:
    function = make.of(
        archive(
            handler="from below import deep\ndef handler(event, context):\n    return 1 + deep(event)\n",
            below="class TooDeep(KeyError):\n    pass\ndef deep(event):\n    raise TooDeep(event['a'])\n",
        )
    )
    assert body(function({"a": "ü"})) == {
        "errorMessage": "'ü'",
        "errorType": "TooDeep",
        "requestId": REQUEST,
        "stackTrace": [
            '  File "/var/task/handler.py", line 3, in handler\n    return 1 + deep(event)\n',
            "  File \"/var/task/below.py\", line 4, in deep\n    raise TooDeep(event['a'])\n",
        ],
    }


def test_an_exception_leaves_its_environment_warm(make: Make) -> None:
    function = make("import os\ndef handler(event, context):\n    raise ValueError(os.getpid())\n")
    assert body(function())["errorMessage"] == body(function())["errorMessage"]


def test_a_huge_text_comes_whole(make: Make) -> None:
    outcome = make('def handler(event, context):\n    raise RuntimeError("é" * 300_000)\n')()
    assert body(outcome)["errorMessage"] == "é" * 300_000


def test_an_exception_that_has_no_text_ends_the_runtime(make: Make) -> None:
    source = """
class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no words")
def handler(event, context):
    raise Mute()
"""
    assert body(make(source)()) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": message("Runtime exited with error: exit status 1"),
    }


@pytest.mark.parametrize(
    ("statement", "how"),
    [
        ("raise SystemExit(3)", "Runtime exited with error: exit status 3"),
        ("sys.exit()", "Runtime exited without providing a reason"),
        ("os._exit(7)", "Runtime exited with error: exit status 7"),
        ("os.kill(os.getpid(), 9)", "Runtime exited with error: signal: killed"),
        ("os.kill(os.getpid(), 11)", "Runtime exited with error: signal: segmentation fault"),
        ("class E(BaseException): pass\n    raise E()", "Runtime exited with error: exit status 1"),
    ],
)
def test_a_runtime_that_ends_is_told_with_its_status(make: Make, statement: str, how: str) -> None:
    function = make(f"import os, sys\ndef handler(event, context):\n    print('before', flush=True)\n    {statement}\n")
    outcome = function()
    assert body(outcome) == {"errorType": "Runtime.ExitError", "errorMessage": message(how)}
    assert "before\n" in outcome.log
    assert "Status: error\tError Type: Runtime.ExitError" in outcome.log
    # The next call has a new environment.
    assert body(function())["errorType"] == "Runtime.ExitError"


@pytest.mark.usefixtures("no_walls")
def test_a_function_that_takes_too_long_is_ended_with_all_it_started(make: Make, tmp_path: Path) -> None:
    source = """
import subprocess, time
def handler(event, context):
    print("left", context.get_remaining_time_in_millis() > 0, flush=True)
    child = subprocess.Popen(["sleep", "60"])
    open(event, "w").write(str(child.pid))
    time.sleep(60)
"""
    note = tmp_path / "pid"
    started = time.monotonic()
    outcome = make(source, Timeout=1)(str(note))
    assert time.monotonic() - started < 30
    assert outcome.body == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": message("Task timed out after 1.00 seconds"),
    }
    assert "left True\n" in outcome.log
    assert outcome.log.endswith("Status: timeout")
    ended = subprocess.run(["ps", "-o", "stat=", "-p", note.read_text()], capture_output=True, text=True, check=False)
    assert ended.stdout.strip() in ("", "Z")


@pytest.mark.parametrize(
    ("files", "handler", "kind", "text", "stack"),
    [
        (
            {"handler": "import nothing_like_it\n"},
            "handler.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'handler': No module named 'nothing_like_it'",
            [],
        ),
        (
            {"handler": ""},
            "absent.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'absent': No module named 'absent'",
            [],
        ),
        (
            {"handler": ""},
            "handler.run",
            "Runtime.HandlerNotFound",
            "Handler 'run' missing on module 'handler'",
            [],
        ),
        (
            {"handler": "def handler(:\n"},
            "handler.handler",
            "Runtime.UserCodeSyntaxError",
            "Syntax error in module 'handler': invalid syntax (handler.py, line 1)",
            ['  File "/var/task/handler.py" Line 1\n    def handler(:\n'],
        ),
        (
            {"handler": ""},
            "handler",
            "Runtime.MalformedHandlerName",
            "Bad handler 'handler': not enough values to unpack (expected 2, got 1)",
            [],
        ),
        (
            {"handler": ""},
            "sys.exit",
            "Runtime.BuiltInModuleConflict",
            "Cannot use built-in module sys as a handler module",
            [],
        ),
    ],
)
def test_a_function_that_cannot_be_loaded_says_why(
    make: Make, files: Mapping[str, str], handler: str, kind: str, text: str, stack: list[str]
) -> None:
    outcome = make.of(archive(**files), Handler=handler)()
    assert body(outcome) == {"errorMessage": text, "errorType": kind, "requestId": "", "stackTrace": stack}
    assert f"[ERROR] {kind}: {text}" in outcome.log


def test_an_exception_while_loading_has_its_class(make: Make) -> None:
    outcome = make("import os\nTABLE = os.environ['TABLE']\n")()
    assert (body(outcome)["errorType"], body(outcome)["errorMessage"]) == ("KeyError", "'TABLE'")
    assert body(outcome)["stackTrace"][-2].startswith('  File "/var/task/handler.py", line 2, in <module>\n')


def test_loading_that_never_ends_is_ended(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "INIT_SECONDS", 0.5)
    outcome = make("import time\ntime.sleep(60)\n", Timeout=1)()
    assert body(outcome)["errorType"] == "Sandbox.Timedout"


@pytest.mark.parametrize(
    ("value", "payload"),
    [
        ("b'\"HelloWorld!\"'", "HelloWorld!"),
        ("b'no JSON'", b"no JSON"),
        ("{'in': b'text'}", {"in": "text"}),
        ("{'n': Decimal('1.10'), 'nan': 1}", {"n": 1.10, "nan": 1}),
        ("(1, 'ü', None, 0.0)", [1, "ü", None, 0.0]),
        ("'a\\ud800'", "a?"),
        ("event", {"in": [1, {"x": "é"}]}),
    ],
)
def test_an_answer_is_written_as_the_runtime_on_aws_writes_it(make: Make, value: str, payload: object) -> None:
    function = make(f"from decimal import Decimal\ndef handler(event, context):\n    return {value}\n")
    outcome = function({"in": [1, {"x": "é"}]})
    assert (outcome.body, outcome.failed) == (payload, False)


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        ("{1}", "Runtime.MarshalError", "Unable to marshal response: Object of type set is not JSON serializable"),
        (
            "{(1, 2): 3}",
            "Runtime.MarshalError",
            "Unable to marshal response: keys must be str, int, float, bool or None, not tuple",
        ),
        (
            "'a' * 6_291_555",
            "Function.ResponseSizeTooLarge",
            "Response payload size (6291557 bytes) exceeded maximum allowed payload size (6291556 bytes).",
        ),
    ],
)
def test_an_answer_that_cannot_be_sent_is_an_error(make: Make, value: str, kind: str, text: str) -> None:
    outcome = make(f"def handler(event, context):\n    return {value}\n")()
    assert (body(outcome)["errorType"], body(outcome)["errorMessage"]) == (kind, text)


# The log.


def test_the_log_has_everything_printed_and_the_platform_lines(make: Make) -> None:
    source = """
import logging, os, sys
logging.getLogger().setLevel("INFO")
def handler(event, context):
    print("out")
    print("err", file=sys.stderr)
    logging.getLogger("x").info("said")
    os.system("echo child")
    sys.stdout.write("no line break")
"""
    lines = make(source)().log.splitlines()
    assert lines[0] == f"START RequestId: {REQUEST} Version: $LATEST"
    assert lines[1:3] == ["out", "err"]
    assert lines[3].startswith("[INFO]\t20")
    assert lines[3].endswith(f"Z\t{REQUEST}\tsaid")
    assert lines[4:6] == ["child", "no line break"]
    assert lines[6] == f"END RequestId: {REQUEST}"
    assert lines[7].startswith(f"REPORT RequestId: {REQUEST}\tDuration: ")
    assert "Init Duration: " in lines[7]
    if Path("/proc/self/status").exists():
        # Its own memory, not that of the process that started it.
        assert 0 < int(lines[7].partition("Max Memory Used: ")[2].split()[0]) < 40


def test_the_log_of_one_call_never_shows_up_in_the_next(make: Make) -> None:
    function = make("def handler(event, context):\n    print(event)\n")
    for number in range(200):
        assert f"\n{number}\nEND" in function(number).log


def test_a_log_longer_than_the_pipe_is_complete(make: Make) -> None:
    outcome = make("def handler(event, context):\n    print('x' * 5_000_000)\n")()
    assert "x" * 5_000_000 in outcome.log


def test_a_log_without_end_is_cut(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "LOG_LIMIT", 1000)
    outcome = make("def handler(event, context):\n    print('x' * 5000)\n")()
    assert "\n[4001 more bytes are not kept]\n" in outcome.log


def test_a_handler_may_close_what_it_prints_to(make: Make) -> None:
    outcome = make(
        "import sys\ndef handler(event, context):\n    sys.stdout.close()\n    sys.stderr = None\n    1/0\n"
    )()
    assert body(outcome)["errorType"] == "ZeroDivisionError"


def test_an_environment_has_one_log_stream(make: Make) -> None:
    function = make("import os\ndef handler(event, context):\n    return context.log_stream_name\n")
    first, second = function(), function()
    assert first.stream == second.stream == first.body
    assert first.stream is not None
    assert first.stream[10:20] == "/[$LATEST]"


def test_a_log_is_written_to_its_stream_line_by_line() -> None:
    try:
        for text in ("one\ntwo", "three"):
            logs.write("/aws/lambda/written", "stream", text)
        events = cloudwatch_logs._log_groups["/aws/lambda/written"]["streams"]["stream"]["events"]
        assert [event["message"] for event in events] == ["one", "two", "three"]
    finally:
        cloudwatch_logs.reset()


# What a function finds.


SET_BY_LAMBDA = {
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_XRAY_CONTEXT_MISSING",
    "LAMBDA_TASK_ROOT",
    "LANG",
    "PATH",
    "TZ",
}
SET_HERE = {
    "AWS_CONFIG_FILE",
    "AWS_DISABLE_HOST_PREFIX_INJECTION",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_ENDPOINT_URL",
    "AWS_SHARED_CREDENTIALS_FILE",
    "POWERTOOLS_TRACE_DISABLED",
    "PYTHONUTF8",
    "SSL_CERT_FILE",
    "TMPDIR",
}


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's shell, in which everything that no function may see says so."""
    for name in list(os.environ):
        if name not in ("PATH", "PYTHONHASHSEED"):
            monkeypatch.delenv(name)
    for name in ("AWS_PROFILE", "AWS_ROLE_ARN", "GITHUB_TOKEN", "HOME", "HTTPS_PROXY", "LAMBDA_EXECUTOR", "LOG_LEVEL"):
        monkeypatch.setenv(name, "host")
    for name in ("MINISTACK_REGION", "PIP_INDEX_URL", "STATE_DIR", "VIRTUAL_ENV", "_HOST"):
        monkeypatch.setenv(name, "host")
    for name in ("AWS_CONFIG_FILE", "AWS_EC2_METADATA_DISABLED", "AWS_SHARED_CREDENTIALS_FILE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("TMPDIR", tempfile.gettempdir())


@pytest.mark.usefixtures("shell")
def test_a_function_sees_what_aws_sets_and_nothing_of_the_shell(make: Make) -> None:
    function = make(
        "import os, sys\ndef handler(event, context):\n    return dict(os.environ), sys.path, os.getcwd()\n",
        Environment={"Variables": {"MINE": "1", "AWS_REGION": "refused", "TZ": "Europe/Paris"}},
        MemorySize=256,
    )
    seen, path, folder = function(_X_AMZN_TRACE_ID="Root=1").body
    # Python's own doing, where the machine does not know the locale (PEP 538).
    assert set(seen) - {"LC_CTYPE"} == SET_BY_LAMBDA | SET_HERE | {"MINE"}
    assert "host" not in seen.values()
    assert seen["AWS_REGION"] == "us-east-1"
    assert (seen["MINE"], seen["TZ"]) == ("1", "Europe/Paris")
    assert (seen["_HANDLER"], seen["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]) == ("handler.handler", "256")
    assert seen["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert seen["_X_AMZN_TRACE_ID"] == "Root=1"
    assert path[0] == seen["LAMBDA_TASK_ROOT"] == folder
    assert str(process.RUNTIME.parent) not in path
    # What belonged to one call is gone with it.
    assert "_X_AMZN_TRACE_ID" not in function().body[0]


@pytest.mark.usefixtures("shell")
def test_what_ministack_starts_itself_sees_nothing_of_the_shell_either(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (lambda_runtime, lambda_svc):
        monkeypatch.setattr(module, "os", Host())
    config = {"MemorySize": 128, "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:f"}
    started = lambda_svc._provided_worker_env(config, "/var/task", 1)
    assert "host" not in started.values()
    assert started["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert "spawn_env = {**os.environ, **env_vars}" in inspect.getsource(lambda_runtime.Worker)


def test_a_log_level_that_was_meant_for_the_cloud_mutes_no_function(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_LEVEL", "ERROR")
    source = """
from aws_lambda_powertools import Logger
def handler(event, context):
    Logger(service="s").info("heard")
"""
    assert "heard" in make(source)().log


def test_the_context_has_the_documented_names(make: Make) -> None:
    source = """
def handler(event, context):
    names = ("function_name", "function_version", "memory_limit_in_mb", "invoked_function_arn", "aws_request_id",
             "log_group_name", "client_context")
    return [getattr(context, name) for name in names] + [context.identity.cognito_identity_id]
"""
    function = make(source)
    arn = function.config["FunctionArn"]
    assert function().body == ["f", "$LATEST", "128", arn, REQUEST, "/aws/lambda/f", None, None]


def test_a_chain_of_functions_counts_its_depth_only_when_botocore_is_there(make: Make) -> None:
    source = """
import sys
early = [name for name in sys.modules if name.startswith(("botocore", "boto3"))]
import botocore.handlers
def handler(event, context):
    hook = [entry[1] for entry in botocore.handlers.BUILTIN_HANDLERS if entry[0] == "before-call"][-1]
    params = {"headers": {}}
    hook(params)
    return early, params["headers"], len(botocore.handlers.BUILTIN_HANDLERS) > 50
"""
    outcome = make(source)(_MINISTACK_INVOKE_DEPTH="3")
    assert outcome.body == [[], {"X-Ministack-Invoke-Depth": "3"}, True]


def test_a_layer_is_found_after_the_function_and_named_opt(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as content:
        content.writestr("python/layered.py", "def fail():\n    raise OSError('in the layer')\n")
        content.writestr("python/handler.py", "never = 1\n")
    monkeypatch.setattr(lambda_svc, "_resolve_layer_zip", {"layer": buffer.getvalue()}.get)
    function = make("import layered\ndef handler(event, context):\n    layered.fail()\n", Layers=["layer"])
    assert body(function())["stackTrace"][-1].startswith('  File "/opt/python/layered.py", line 2, in fail\n')


def test_an_executable_of_the_package_keeps_its_bit(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as content:
        entry = zipfile.ZipInfo("bin/tool")
        entry.external_attr = 0o555 << 16
        content.writestr(entry, "#!/bin/sh\n")
    folder = code.unpacked(buffer.getvalue())
    assert (folder / "bin/tool").stat().st_mode & 0o777 == 0o755
    assert code.unpacked(buffer.getvalue()) == folder
    assert folder.is_relative_to(tmp_path)


# The end of a process.


@pytest.mark.usefixtures("no_walls")
def test_a_call_under_way_survives_new_code_and_its_process_does_not(make: Make, tmp_path: Path) -> None:
    function = make("import os\ndef handler(event, context):\n    open(event + '/go').read()\n    return os.getpid()\n")
    fifo = tmp_path / "go"
    subprocess.run(["mkfifo", str(fifo)], check=True)
    answers: list[Outcome] = []
    caller = threading.Thread(target=lambda: answers.append(function(str(tmp_path))))
    caller.start()
    # Opening blocks until the handler has opened the other end.
    with fifo.open("w"):
        running = function.worker._proc
        assert running is not None
        lambda_runtime.kill_workers([function.worker])
    caller.join(10)
    assert answers[0].failed is False
    assert running.poll() is not None
    assert function.worker._proc is None


def test_a_process_whose_cloud_is_gone_ends_in_the_middle_of_a_call(tmp_path: Path) -> None:
    fifo = tmp_path / "go"
    subprocess.run(["mkfifo", str(fifo)], check=True)
    path = str(fifo)
    source = f"def handler(e, c):\n    open({path!r}, 'w').write('on')\n    open({path!r}).read()\n"
    script = f"""
import sys, tempfile, threading
tempfile.tempdir = {str(tmp_path)!r}
sys.path.insert(0, {str(Path(__file__).parents[4])!r})
from tests.unit.local.ministack_contracts.test_functions import Function, archive
Function(archive(handler={source!r}))()
"""
    cloud = subprocess.Popen([sys.executable, "-c", script])
    try:
        assert fifo.read_text() == "on"
    finally:
        cloud.kill()
        cloud.wait()
    # Its end of the pipe closes when it ends: the open succeeds, and nobody reads.
    with pytest.raises(BrokenPipeError):
        _write_until_broken(fifo)


def _write_until_broken(fifo: Path) -> None:
    deadline = time.monotonic() + 60
    descriptor = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    writer = os.open(fifo, os.O_WRONLY)
    os.close(descriptor)
    try:
        while time.monotonic() < deadline:
            os.write(writer, b"x")
    finally:
        os.close(writer)


# Turns, and the cloud's end.


def test_a_function_has_a_few_turns_at_once_and_refuses_who_waits_too_long() -> None:
    turns = Turns(at_once=1, patience=0.01)
    with turns.take("f", 1) as first, turns.take("f", 1) as second, turns.take("g", 1) as other:
        assert (first, second, other) == (True, False, True)
    with turns.take("f", 1) as again:
        assert again


def test_a_function_that_calls_itself_never_waits_for_itself() -> None:
    turns = Turns(at_once=1, patience=0.01)
    with turns.take("f", 1) as outer, turns.take("f", 2) as inner, turns.take("f", 3) as innermost:
        assert (outer, inner, innermost) == (True, True, True)


def record(code_zip: bytes, **config: Any) -> dict[str, Any]:
    return {"config": {**Function(code_zip, **config).config, "Version": "$LATEST"}, "code_zip": code_zip}


@pytest.fixture
def execute(monkeypatch: pytest.MonkeyPatch) -> Iterator[Executor]:
    def unused(*_: object) -> dict[str, Any]:
        raise AssertionError("MiniStack's own executor was asked")

    monkeypatch.setattr(lambda_runtime, "_worker_class_for", lambda _: Worker)
    monkeypatch.setattr(lambda_svc, "_ensure_reaper_thread", lambda: None)
    yield Executor(unused, Turns(patience=0.01))
    lambda_runtime.reset()
    cloudwatch_logs.reset()


def test_a_result_has_ministacks_shape_and_is_logged_once(execute: Executor) -> None:
    result = execute(record(archive(handler="def handler(event, context):\n    return event\n")), {"a": 1}, REQUEST)
    assert result["body"] == {"a": 1}
    assert "error" not in result
    assert result["log_source"] == logs.WRITTEN
    (stream,) = cloudwatch_logs._log_groups["/aws/lambda/f"]["streams"].values()
    assert [event["message"].split()[0] for event in stream["events"]] == ["START", "END", "REPORT"]


def test_one_call_too_many_is_throttled(execute: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "_turns", Turns(at_once=0, patience=0.01))
    result = execute(record(archive(handler="")), {}, REQUEST)
    assert (result["throttle"], result["body"]["__type"]) == (True, "TooManyRequestsException")


@pytest.mark.usefixtures("no_walls")
def test_a_call_that_the_end_of_the_cloud_interrupts_is_not_the_functions_failure(
    execute: Executor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "HOLD_SECONDS", 0.0)
    fifo = tmp_path / "go"
    subprocess.run(["mkfifo", str(fifo)], check=True)
    source = f"import time\ndef handler(e, c):\n    open({str(fifo)!r}, 'w')\n    time.sleep(60)\n"
    function = record(archive(handler=source))
    results: list[Mapping[str, Any]] = []
    caller = threading.Thread(target=lambda: results.append(execute(function, {}, REQUEST)))
    caller.start()
    fifo.read_text()
    functions.close()
    caller.join(10)
    assert results[0]["body"] == INTERRUPTED
    # And none is started any more.
    assert execute(function, {}, REQUEST)["body"] == INTERRUPTED


def test_a_package_that_is_no_zip_fails_the_call_only(execute: Executor) -> None:
    result = execute(record(b"not a zip"), {}, REQUEST)
    assert result["body"]["errorType"] == "Runtime.InvalidEntrypoint"


def test_node_says_the_class_of_its_error() -> None:
    trace = "TypeError: no\n    at handler (/x/index.js:1:1)"
    outcome = _of_node({"status": "error", "error": "no", "trace": trace, "log": "said"})
    assert outcome.body == {"errorType": "TypeError", "errorMessage": "no", "trace": trace.splitlines()}
    assert outcome.log == "said\n" + trace


# MiniStack's names.


def test_ministack_hands_a_warm_invocation_over_in_one_place() -> None:
    assert list(inspect.signature(lambda_svc._execute_function_warm).parameters) == ["func", "event", "request_id"]
    source = inspect.getsource(lambda_svc._execute_function_dispatch)
    assert "result = _execute_function_warm(func, event, request_id)" in source
    assert 'log_source=result.get("log_source")' in source
    assert list(inspect.signature(lambda_svc._emit_lambda_logs).parameters)[-1] == "log_source"
    assert "await _invoke(" in inspect.getsource(lambda_svc.handle_request)


def test_ministack_answers_a_throttle_with_its_body() -> None:
    source = inspect.getsource(lambda_svc._invoke)
    assert "return 429, throttle_headers, json.dumps(body).encode()" in source
    assert 'result.get("throttle")' in source
    throttled = lambda_svc._throttle_response("reason", "message")
    assert throttled["body"]["__type"] == "TooManyRequestsException"
    assert json.dumps(dict(INTERRUPTED)).encode()


def test_the_pool_asks_a_worker_for_these_names_only() -> None:
    for function in (
        lambda_runtime.acquire_worker,
        lambda_runtime.release_worker,
        lambda_runtime.kill_workers,
        lambda_runtime.reap_idle_workers,
        lambda_runtime.ensure_spawned,
        lambda_runtime.reset,
    ):
        names = {name for name in function.__code__.co_names if hasattr(lambda_runtime.Worker("f", {}, b""), name)}
        assert names <= {"in_use", "last_used", "config", "_lock", "_cold", "_proc", "_spawn", "_discard_tmpdir"}
    assert "_worker_class_for(config)(func_name, config, code_zip)" in inspect.getsource(lambda_runtime.acquire_worker)
    assert list(inspect.signature(lambda_runtime.acquire_worker).parameters)[:4] == [
        "func_name",
        "config",
        "code_zip",
        "qualifier",
    ]


def test_the_pool_ends_a_process_by_the_names_of_popen() -> None:
    assert set(lambda_runtime._signal.__code__.co_names) & set(dir(subprocess.Popen)) == {"poll", "terminate"}
    assert set(lambda_runtime._collect.__code__.co_names) & set(dir(subprocess.Popen)) == {"wait", "kill"}


def test_what_a_call_carries_besides_its_event() -> None:
    assert lambda_runtime.DURABLE_ENV_VARS.keys() >= {"AWS_LAMBDA_DURABLE_EXECUTION_ARN"}
    assert lambda_svc._durable_env_overlay() == {}
    assert lambda_svc._xray_trace_id_for_invocation({}) is None
    assert lambda_svc._invoke_depth.get() == 0
    assert lambda_svc.MAX_INVOKE_DEPTH == 16
    assert lambda_runtime.INVOKE_DEPTH_ENV == worker_runtime.DEPTH_VARIABLE
    assert lambda_runtime.INVOKE_DEPTH_HEADER == worker_runtime.DEPTH_HEADER


def test_what_a_process_is_started_with() -> None:
    config = {"FunctionArn": "arn:aws:lambda:eu-west-1:000000000001:function:f"}
    assert lambda_runtime._account_region_from_function_config(config) == ("000000000001", "eu-west-1")
    assert "AWS_ACCESS_KEY_ID" in lambda_runtime.execution_credentials(config)
    assert "AWS_REGION" in lambda_runtime._RESERVED_RUNTIME_ENV_VARS
    assert lambda_runtime.HOST_PREFIX_ENV == "AWS_DISABLE_HOST_PREFIX_INJECTION"
    assert list(inspect.signature(lambda_svc._resolve_layer_zip).parameters) == ["attachment"]


def test_the_account_has_one_bound_that_is_read_at_every_call() -> None:
    assert "_ACCOUNT_CONCURRENCY_CAP" in lambda_svc._acquire_execution_slot.__code__.co_names


def test_a_log_stream_is_a_plain_dict() -> None:
    for name in ("_create_log_group", "_create_log_stream"):
        assert list(inspect.signature(getattr(cloudwatch_logs, name)).parameters) == ["data"]
    for name in ("_fanout_to_subscription_filters", "_fanout_to_live_tail_sessions"):
        assert list(inspect.signature(getattr(cloudwatch_logs, name)).parameters)[-3:] == [
            "group_name",
            "stream_name",
            "events",
        ]
    assert list(inspect.signature(cloudwatch_logs._append_log_events).parameters) == ["stream", "events"]
