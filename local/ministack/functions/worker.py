"""One execution environment of a Python function: MiniStack keeps it in its pool, we start it and talk to it."""

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from local.ministack.functions import code, environment, logs, reports
from local.ministack.functions.process import Answer, Ended, Process, TimedOut
from local.ministack.functions.reports import Measures, Outcome
from local.ministack.functions.runtime import READY, RESULT
from local.ministack.functions.sharing import Started

INIT_SECONDS = 10.0
"""What AWS gives a module to load; a call that finds it not loaded gives it the function's timeout besides."""

_EXIT_SECONDS = 1.0

closing = threading.Event()
"""Set while the cloud stops: no function is started any more, and those that run are interrupted."""


class NotLoaded(Exception):
    """The module could not be loaded; the error document of runtime.py."""

    def __init__(self, document: bytes) -> None:
        super().__init__(document)
        self.document = document


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call: what the handler gets, and the variables that are set for this call alone."""

    event: Any
    request_id: str
    function_arn: str
    variables: Mapping[str, str | None]

    def frame(self, deadline: float) -> bytes:
        message = {
            "event": self.event,
            "request_id": self.request_id,
            "function_arn": self.function_arn,
            "variables": self.variables,
            "deadline": deadline,
        }
        return json.dumps(message).encode()


class Worker:
    """An environment: without a process, or with one that has loaded the handler.

    `in_use`, `last_used`, `config`, `_lock`, `_cold`, `_proc`, `_spawn` and `_discard_tmpdir` are what MiniStack's
    pool reads and calls.
    """

    def __init__(self, func_name: str, config: Mapping[str, Any], code_zip: bytes) -> None:
        self.func_name = func_name
        self.config = config
        self.code_zip = code_zip
        self.in_use = False
        self.last_used = time.time()
        version = config.get("Version", "$LATEST")
        self._log_stream = f"{datetime.now(UTC):%Y/%m/%d}/[{version}]{uuid4().hex}"
        self._lock = threading.Lock()
        self._cold = True
        self._proc: Process | None = None
        self._dropped = False

    def run(self, call: Invocation, started: Started = lambda _: None) -> Outcome:
        """Makes one invocation, cold or warm. Raises OSError or BadZipFile when no process can be started."""
        return replace(self._run(call, started), stream=self._log_stream)

    def _run(self, call: Invocation, started: Started) -> Outcome:
        with self._lock:
            # Not read from self again: MiniStack takes it away when the function's code changes.
            process, began, warm = self._proc, time.monotonic(), True
            if process is None or not process.lease():
                if process is not None:
                    process.end()
                process, warm = self._start(), False
                self._proc = process
                process.lease()
            if closing.is_set():
                # Whoever stops the workers may have looked before there was a process.
                process.kill()
            try:
                return self._talk(process, call, began, None if warm else started)
            finally:
                if self._dropped:
                    process.terminate()
                process.release()

    def _talk(self, process: Process, call: Invocation, began: float, started: Started | None) -> Outcome:
        timeout = float(self.config.get("Timeout", 3))
        called = began
        try:
            if started:
                self._load(process, INIT_SECONDS + timeout)
                called = time.monotonic()
                started(called - began)
            reply = process.exchange(call.frame(time.time() + timeout), time.monotonic() + timeout)
        except NotLoaded as failure:
            process.end(_EXIT_SECONDS)
            took = Measures(time.monotonic() - began)
            return reports.raised(call.request_id, failure.document, self.config, process.log.take(), took)
        except TimedOut:
            process.end()
            took = Measures(timeout, called - began)
            return reports.timed_out(call.request_id, self.config, process.log.take(), took)
        except Ended:
            status = process.end(_EXIT_SECONDS)
            took = Measures(time.monotonic() - called, called - began)
            return reports.ended(call.request_id, status, self.config, process.log.take(), took)
        took = Measures(time.monotonic() - called, called - began, reply.peak_memory)
        report = reports.answered if reply.kind == RESULT else reports.raised
        return report(call.request_id, reply.payload, self.config, process.log.take(), took)

    def _spawn(self) -> None:
        """Start and load now; MiniStack asks for it when a version with SnapStart is published."""
        process = self._start()
        try:
            self._load(process, INIT_SECONDS)
        except (NotLoaded, TimedOut, Ended) as error:
            process.end()
            raise RuntimeError(f"{self.func_name} did not load: {error}") from error
        self._proc = process

    def _discard_tmpdir(self) -> None:
        """Told that it is out of the pool. The folder of the code stays: it is shared."""
        self._dropped = True

    def _start(self) -> Process:
        self._cold = False
        self._folder = code.unpacked(self.code_zip)
        self._layers = _layers(self.config)
        return Process(self._folder, self._layers, self._environment(), closing)

    def _load(self, process: Process, seconds: float) -> Answer:
        setup = {
            "task_root": str(self._folder),
            "layers": [str(layer) for layer in self._layers],
            "handler": self.config.get("Handler", ""),
            "snapstart": (self.config.get("SnapStart") or {}).get("OptimizationStatus") == "On",
        }
        reply = process.exchange(json.dumps(setup).encode(), time.monotonic() + seconds)
        if reply.kind != READY:
            raise NotLoaded(reply.payload)
        return reply

    def _environment(self) -> dict[str, str]:
        """Returns what AWS sets, by "Defined runtime environment variables" of the developer guide's page
        configuration-envvars, with the function's own, over what it gets of the machine.
        """
        from ministack.core import lambda_runtime

        own = (self.config.get("Environment") or {}).get("Variables") or {}
        _, region = lambda_runtime._account_region_from_function_config(self.config)
        return {
            **environment.of_machine(),
            lambda_runtime.HOST_PREFIX_ENV: "true",
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "PYTHONUTF8": "1",
            **{key: value for key, value in own.items() if key not in lambda_runtime._RESERVED_RUNTIME_ENV_VARS},
            **lambda_runtime.execution_credentials(self.config),
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{self.config.get('Runtime')}",
            "AWS_LAMBDA_FUNCTION_NAME": self.config["FunctionName"],
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.config.get("MemorySize", 128)),
            "AWS_LAMBDA_FUNCTION_VERSION": self.config.get("Version", "$LATEST"),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": logs.group_of(self.config),
            "AWS_LAMBDA_LOG_STREAM_NAME": self._log_stream,
            "LAMBDA_TASK_ROOT": str(self._folder),
            "_HANDLER": self.config.get("Handler", ""),
        }


def _layers(config: Mapping[str, Any]) -> list[Path]:
    from ministack.services import lambda_svc

    archives = [lambda_svc._resolve_layer_zip(layer) for layer in config.get("Layers") or []]
    return [code.unpacked(archive) for archive in archives if archive]
