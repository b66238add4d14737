"""The application behind `serve`: GET /ping, GET /execution-parameters and POST /invocations, image in, JSON out."""

import json
import os

import annotate
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

MAX_PAYLOAD_MB = int(os.environ.get("SAGEMAKER_MAX_PAYLOAD_IN_MB", "100"))
"""What a transform job may send at most; SageMaker tells it to the container by this variable."""
ANY_IMAGE = ("application/x-image", "application/octet-stream")


def application() -> Flask:
    """The WSGI application; gunicorn calls this once in each worker."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_PAYLOAD_MB * 1024 * 1024

    @app.get("/ping")
    def ping() -> Response:
        return Response("", 200)

    @app.get("/execution-parameters")
    def execution_parameters() -> Response:
        return answer({"MaxConcurrentTransforms": os.cpu_count(), "BatchStrategy": "SINGLE_RECORD"})

    @app.post("/invocations")
    def invocations() -> Response:
        sent = request.mimetype or "none"
        if not sent.startswith("image/") and sent not in ANY_IMAGE:
            return text(f"The content type {sent} is not supported: send image/* or {ANY_IMAGE[0]}.", 415)
        wanted = request.accept_mimetypes
        if wanted and not wanted.best_match(["application/json"]):
            return text("The answer is application/json, which the header Accept leaves out.", 406)
        return answer(annotate.annotate(request.get_data()))

    @app.errorhandler(annotate.Unreadable)
    def unreadable(error: annotate.Unreadable) -> Response:
        return text(str(error), 400)

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> Response:
        return text(error.description or error.name, error.code or 500)

    return app


def answer(document: object) -> Response:
    # A line of its own, so that a transform job that assembles its results by line gets JSON Lines.
    return Response(json.dumps(document) + "\n", 200, content_type="application/json")


def text(message: str, status: int) -> Response:
    return Response(message + "\n", status, content_type="text/plain; charset=utf-8")
