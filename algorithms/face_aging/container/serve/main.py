"""The `serve` command: GET /ping and POST /invocations around the handler that the model archive brings along.

The archive's code/inference.py has model_fn(model_dir), input_fn(body, content_type), predict_fn(data, model) and
output_fn(prediction, accept) -> (bytes, content type). An exception with a `status_code` from 400 to 499 is the
sender's mistake and answered as such with its text; any other is answered 500.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType, ModuleType

import waitress
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

BASE = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
FUNCTIONS = ("model_fn", "input_fn", "predict_fn", "output_fn")
LARGEST_REQUEST = 100_000_000
THREADS = 8


def load_handler(folder: Path) -> ModuleType:
    path = folder / "code" / "inference.py"
    if not path.is_file():
        raise RuntimeError("The model archive holds no code/inference.py.")
    sys.path.insert(0, str(path.parent))  # for modules beside it
    spec = importlib.util.spec_from_file_location("inference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    missing = [name for name in FUNCTIONS if not hasattr(module, name)]
    if missing:
        raise RuntimeError(f"code/inference.py lacks {', '.join(missing)}.")
    return module


def application(handler: ModuleType, model: object) -> Flask:
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_REQUEST

    @app.get("/ping")
    def ping() -> Response:
        return Response("", 200)

    @app.post("/invocations")
    def invocations() -> Response:
        data = handler.input_fn(request.get_data(), request.content_type)
        body, content_type = handler.output_fn(handler.predict_fn(data, model), request.headers.get("Accept"))
        return Response(body, 200, content_type=content_type)

    @app.errorhandler(Exception)
    def failed(error: Exception) -> Response:
        if isinstance(error, HTTPException):
            return text(error.description or error.name, error.code or 500)
        status = getattr(error, "status_code", 500)
        if isinstance(status, int) and 400 <= status < 500:
            return text(str(error), status)
        traceback.print_exception(error)
        return text(f"{type(error).__name__}: {error}", 500)

    return app


def text(message: str, status: int) -> Response:
    return Response(message + "\n", status, content_type="text/plain; charset=utf-8")


def stop(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def main() -> None:
    signal.signal(signal.SIGTERM, stop)
    # The port opens after the model is loaded, so /ping never answers 200 without one.
    handler = load_handler(BASE / "model")
    app = application(handler, handler.model_fn(str(BASE / "model")))
    host = os.environ.get("SAGEMAKER_BIND_TO_HOST", "0.0.0.0")
    port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080"))
    server = waitress.create_server(app, host=host, port=port, threads=THREADS, max_request_body_size=LARGEST_REQUEST)
    print(f"serving on port {server.effective_port}", flush=True)
    server.run()


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:
        sys.exit(str(error))
