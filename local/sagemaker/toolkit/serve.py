"""Serves a model with the functions of an inference script: model_fn, input_fn, predict_fn, output_fn.

`serve.py [HANDLERS]`: the script is SAGEMAKER_PROGRAM, or inference.py, in SAGEMAKER_SUBMIT_DIRECTORY. What it does not
define is the framework's (HANDLERS, a file of handlers/), or else that of this module: CSV, JSON and .npy. transform_fn
stands for all but model_fn. A built-in algorithm has no script: its HANDLERS serve alone.
"""

import csv
import http.server
import importlib.util
import inspect
import io
import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

_CSV, _JSON, _NPY = "text/csv", "application/json", "application/x-npy"


class Unsupported(Exception):
    """A content type that nothing here reads or writes."""


class Model:
    """A loaded model and the functions around it."""

    def __init__(self, script: ModuleType | None, handlers: ModuleType | None, folder: str) -> None:
        algorithm = script is None
        if script is None:
            script = handlers
        load = getattr(script, "model_fn", None) or getattr(handlers, "model_fn", None)
        if load is None:
            raise RuntimeError("the inference script defines no model_fn(model_dir)")
        self._model = _call(load, folder, None)
        self._transform = _first("transform_fn", script, handlers)
        self._read: Callable[..., Any] = _first("input_fn", script, handlers) or read
        self._predict: Callable[..., Any] = _first("predict_fn", script, handlers) or predict
        self._write: Callable[..., Any] = _first("output_fn", script, handlers if algorithm else None) or write
        self.default_accept: str = getattr(handlers, "DEFAULT_ACCEPT", _JSON) if algorithm else _JSON

    def answer(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """Raises Unsupported, and whatever the script raises."""
        data = _given(body, content_type)
        if self._transform is not None:
            result = _call(self._transform, self._model, data, content_type, accept)
        else:
            parsed = _call(self._read, data, content_type, None)
            result = _call(self._write, _call(self._predict, parsed, self._model, None), accept, None)
        content, kind = result if isinstance(result, tuple) else (result, accept)
        return (content.encode() if isinstance(content, str) else bytes(content)), kind


def _first(name: str, *modules: ModuleType | None) -> Callable[..., Any] | None:
    handlers: list[Callable[..., Any]] = [getattr(module, name) for module in modules if hasattr(module, name)]
    return handlers[0] if handlers else None


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Calls a function; a last argument that is None (the context) is given only to those that take it."""
    if arguments[-1] is None and len(inspect.signature(function).parameters) < len(arguments):
        arguments = arguments[:-1]
    return function(*arguments)


def _given(body: bytes, content_type: str) -> bytes | str:
    """Returns text types as text, which is how the toolkits hand them over to the script."""
    base = _base(content_type)
    return body.decode() if base.startswith("text/") or base == _JSON else body


def _base(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def read(body: bytes | str, content_type: str) -> Any:
    """Reads numbers as an array: the default input_fn."""
    numpy = importlib.import_module("numpy")
    match _base(content_type):
        case "text/csv":
            rows = [row for row in csv.reader(io.StringIO(str(body))) if row]
            return numpy.array([[float(cell) for cell in row] for row in rows])
        case "application/json":
            return numpy.array(json.loads(body))
        case "application/x-npy":
            raw = body if isinstance(body, bytes) else body.encode()
            return numpy.load(io.BytesIO(raw), allow_pickle=False)
        case other:
            raise Unsupported(f"the content type {other!r} is not read; use {_CSV}, {_JSON} or {_NPY}")


def predict(data: Any, model: Any) -> Any:
    """Calls the model's own predict: the default predict_fn."""
    return model.predict(data)


def write(prediction: Any, accept: str) -> tuple[bytes | str, str]:
    """Writes numbers as an array: the default output_fn."""
    numpy = importlib.import_module("numpy")
    array = numpy.asarray(prediction)
    match _base(accept):
        case "text/csv":
            rows = array.reshape(array.shape[0] if array.ndim else 1, -1).tolist()
            return "\n".join(",".join(str(cell) for cell in row) for row in rows) + "\n", _CSV
        case "application/x-npy":
            sink = io.BytesIO()
            numpy.save(sink, array, allow_pickle=False)
            return sink.getvalue(), _NPY
        case "application/json" | "*/*" | "":
            return json.dumps(array.tolist()), _JSON
        case other:
            raise Unsupported(f"the content type {other!r} is not written; accept {_CSV}, {_JSON} or {_NPY}")


class Handler(http.server.BaseHTTPRequestHandler):
    """GET /ping and POST /invocations."""

    protocol_version = "HTTP/1.1"
    # One small write per answer: without this each would wait for the other side's delayed acknowledgement.
    disable_nagle_algorithm = True
    wbufsize = -1
    model: Model

    def do_GET(self) -> None:
        self._send(200 if self.path == "/ping" else 404, b"\n", "text/plain")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/invocations":
            self._send(404, b"", "text/plain")
            return
        content_type = self.headers.get("Content-Type", _JSON)
        default = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", self.model.default_accept)
        accept = self.headers.get("Accept", default)
        try:
            content, kind = self.model.answer(body, content_type, default if accept in ("*/*", "") else accept)
        except (Unsupported, NotImplementedError) as error:
            self._send(415, str(error).encode(), "text/plain")
        except (ValueError, KeyError, TypeError) as error:
            # What a script raises over its input is the caller's to correct.
            traceback.print_exc()
            self._send(400, f"{type(error).__name__}: {error}".encode(), "text/plain")
        except Exception as error:  # noqa: BLE001 - the request's edge: the server goes on
            traceback.print_exc()
            self._send(500, f"{type(error).__name__}: {error}".encode(), "text/plain")
        else:
            self._send(200, content, kind)

    def _send(self, status: int, content: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the library's
        if self.path != "/ping":
            super().log_message(format, *args)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def load_script(environment: Mapping[str, str], base: Path) -> ModuleType | None:
    """Imports the model's code, if it has any. Raises FileNotFoundError where a script that is named is not there."""
    submitted = environment.get("SAGEMAKER_SUBMIT_DIRECTORY")
    folder = Path(submitted) if submitted else base / "model" / "code"
    program = environment.get("SAGEMAKER_PROGRAM")
    sys.path.insert(0, str(folder))
    file = folder / (program or "inference.py")
    if file.is_file():
        return load(file)
    if program:
        raise FileNotFoundError(f"the inference script {file} is not there")
    return None


def load(file: Path) -> ModuleType:
    """Returns the module of a file. Raises what it raises."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(f"{file} is no Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    return module


def main(environment: Mapping[str, str], handlers: list[str]) -> None:
    base = Path(environment.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    script = load_script(environment, base)
    framework = load(Path(handlers[0])) if handlers else None
    if script is None and framework is None:
        raise FileNotFoundError("the model archive holds no code/inference.py, and SAGEMAKER_PROGRAM names no script")
    Handler.model = Model(script, framework, str(base / "model"))
    port = int(environment.get("SAGEMAKER_BIND_TO_PORT", "8080"))
    Server((environment.get("SAGEMAKER_BIND_TO_HOST", "127.0.0.1"), port), Handler).serve_forever()


if __name__ == "__main__":
    main(os.environ, sys.argv[1:])
