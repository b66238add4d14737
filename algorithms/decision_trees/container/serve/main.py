"""The `serve` command: GET /ping and POST /invocations, CSV in, class probabilities as CSV out."""

import json
import os
import signal
import sys
from types import FrameType

import job
import table
import waitress
from flask import Flask, Response, request
from model import Model, load
from werkzeug.exceptions import HTTPException

LARGEST_REQUEST = 100 * 1024 * 1024  # a transform job sends up to 100 MB


def application(model: Model) -> Flask:
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_REQUEST
    classes = json.dumps(model.classes)  # ASCII, so that any class name fits a header

    @app.get("/ping")
    def ping() -> Response:
        return Response("", 200)

    @app.post("/invocations")
    def invocations() -> Response:
        if request.mimetype != "text/csv":
            sent = request.mimetype or "none"
            return text(f"The content type {sent} is not supported: send text/csv.", 415)
        probabilities = model.probabilities(table.read_request(request.get_data(), model.features))
        lines = "".join(",".join(map(repr, row)) + "\n" for row in probabilities.tolist())
        return Response(lines, 200, {"X-Headrace-Classes": classes}, content_type="text/csv; charset=utf-8")

    @app.errorhandler(job.Problem)
    def problem(error: job.Problem) -> Response:
        return text(str(error), error.status_code)

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> Response:
        return text(error.description or error.name, error.code or 500)

    return app


def text(message: str, status: int) -> Response:
    return Response(message + "\n", status, content_type="text/plain; charset=utf-8")


def stop(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def main() -> None:
    signal.signal(signal.SIGTERM, stop)
    # The port opens after the model is loaded, so /ping never answers 200 without one.
    app = application(load(job.BASE / "model"))
    host = os.environ.get("SAGEMAKER_BIND_TO_HOST", "0.0.0.0")
    port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080"))
    server = waitress.create_server(app, host=host, port=port, threads=8, max_request_body_size=LARGEST_REQUEST)
    print(f"serving on port {server.effective_port}", flush=True)
    server.run()


if __name__ == "__main__":
    sys.exit(job.run(main, job.TRAINING_REPORT))
