"""The TensorFlow images' server: a SavedModel that answers in TensorFlow Serving's REST shapes.

The archive holds `<number>/saved_model.pb`, at any depth; the highest number is served. Without a script, JSON, JSON
lines and CSV become `{"instances": ...}` and the answer is `{"predictions": ...}`. A script defines `handler(data,
context)`, or `input_handler(data, context)` and `output_handler(response, context)`, and reaches the model at
`context.rest_uri`. One model and its method `predict` are served: no gRPC, no custom attributes, no batching.
"""

import base64
import csv
import http.server
import importlib
import io
import json
import os
import re
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

_JSON, _CSV = "application/json", "text/csv"
_LINES = ("application/jsonlines", "application/jsons")
_SIGNATURE = "serving_default"

Handler = Callable[[Any, "Context"], Any]


@dataclass(frozen=True, slots=True)
class Context:
    """What a script learns of a request; the names are those of AWS's container."""

    model_name: str
    model_version: str
    method: str
    rest_uri: str
    request_content_type: str
    accept_header: str
    content_length: int
    custom_attributes: str | None = None
    grpc_port: str | None = None
    channel: Any = None


class SavedModel:
    """A loaded SavedModel: JSON documents in and out."""

    def __init__(self, folder: Path) -> None:
        self._tensorflow = importlib.import_module("tensorflow")
        self._loaded = self._tensorflow.saved_model.load(str(folder))
        self.name, self.version = folder.parent.name, folder.name

    def predict(self, request: Any) -> dict[str, Any]:
        """Answers `{"instances": [...]}` or `{"inputs": ...}`. Raises ValueError for what does not fit."""
        if not isinstance(request, dict) or ("instances" in request) == ("inputs" in request):
            raise ValueError("expected a JSON object with either 'instances' or 'inputs'")
        signature = self._signature(request.get("signature_name", _SIGNATURE))
        wanted: Mapping[str, Any] = signature.structured_input_signature[1]
        by_row = "instances" in request
        values = _rows(request["instances"], wanted) if by_row else _columns(request["inputs"], wanted)
        tensors = {name: self._tensor(name, values[name], spec) for name, spec in wanted.items()}
        try:
            outputs = signature(**tensors)
        except self._tensorflow.errors.OpError as error:
            raise ValueError(error.message) from error
        answers = {name: _plain(value.numpy().tolist(), name) for name, value in outputs.items()}
        return {"predictions": _by_row(answers)} if by_row else {"outputs": _alone(answers)}

    def _signature(self, name: str) -> Any:
        known = self._loaded.signatures
        if name not in known:
            raise ValueError(f"Serving signature name: {name!r} not found; the model has {', '.join(known) or 'none'}")
        return known[name]

    def _tensor(self, name: str, value: Any, spec: Any) -> Any:
        try:
            tensor = self._tensorflow.constant(_decoded(value), dtype=spec.dtype)
        except (TypeError, ValueError) as error:
            raise ValueError(f"input {name!r} is no tensor of {spec.dtype.name}: {error}") from error
        if not spec.shape.is_compatible_with(tensor.shape):
            raise ValueError(f"input {name!r}: expected the shape {spec.shape}, found {tensor.shape}")
        return tensor


class Served:
    """The model of an endpoint and, where there is a script, what the script does around it."""

    def __init__(self, model: SavedModel, script: ModuleType | None) -> None:
        self._model = model
        self._handler = None if script is None else _handler(script)
        self._rest_uri = "" if script is None else _rest_server(model)

    def answer(self, body: bytes | str, content_type: str, accept: str) -> Any:
        """Returns the answer's body and its content type."""
        if self._handler is None:
            wanted = accept.replace(" ", "").split(",")[0]
            content = json.dumps(self._model.predict(request_of(body, content_type)))
            return content, wanted if wanted in (_JSON, _LINES[0]) else _JSON
        raw = body.encode() if isinstance(body, str) else body
        model = self._model
        return self._handler(
            io.BytesIO(raw),
            Context(model.name, model.version, "predict", self._rest_uri, content_type, accept, len(raw)),
        )


def model_fn(model_dir: str) -> Served:
    """Loads the highest version of the archive's model; among several, of SAGEMAKER_TFS_DEFAULT_MODEL_NAME."""
    program = os.environ.get("SAGEMAKER_PROGRAM") or "inference.py"
    return Served(SavedModel(_version(Path(model_dir))), sys.modules.get(Path(program).stem))


def transform_fn(model: Served, body: bytes | str, content_type: str, accept: str) -> Any:
    """Answers one request."""
    return model.answer(body, content_type, accept)


def request_of(body: bytes | str, content_type: str) -> Any:
    """Reads TensorFlow Serving's request from a body of any type the image reads. NotImplementedError: another."""
    text = body if isinstance(body, str) else body.decode()
    kind = content_type.partition(";")[0].strip().lower()
    if kind == _CSV:
        return {"instances": [_csv_instance(line) for line in text.splitlines() if line.strip()]}
    if kind != _JSON and kind not in _LINES:
        raise NotImplementedError(f"Unsupported Media Type: {kind or 'Unknown'}")
    documents = list(_documents(text))
    if len(documents) > 1:
        return {"instances": documents}
    (document,) = documents or [None]
    if isinstance(document, dict) and not {"instances", "inputs", "examples"}.isdisjoint(document):
        return document
    several = isinstance(document, list) and bool(document) and isinstance(document[0], list)
    return {"instances": document if several else [document]}


def _version(folder: Path) -> Path:
    versions = [file.parent for file in folder.rglob("saved_model.pb") if file.parent.name.isdecimal()]
    wanted = os.environ.get("SAGEMAKER_TFS_DEFAULT_MODEL_NAME")
    if wanted:
        versions = [version for version in versions if version.parent.name == wanted]
    if not versions:
        raise RuntimeError("the model archive holds no <number>/saved_model.pb")
    first = min(versions).parent
    return max((version for version in versions if version.parent == first), key=lambda version: int(version.name))


def _handler(script: ModuleType) -> Handler:
    own: Handler | None = getattr(script, "handler", None)
    if own is not None:
        return own
    before, after = getattr(script, "input_handler", None), getattr(script, "output_handler", None)
    if before is None or after is None:
        raise RuntimeError("the inference script defines neither handler nor input_handler and output_handler")
    post = importlib.import_module("requests").post

    def around(data: Any, context: Context) -> Any:
        return after(post(context.rest_uri, data=before(data, context), timeout=600), context)

    return around


def _rest_server(model: SavedModel) -> str:
    """Serves TensorFlow Serving's own address, for scripts; answers where requests for a prediction go."""

    class Rest(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                status, document = 200, model.predict(json.loads(body))
            except ValueError as error:
                status, document = 400, {"error": str(error)}
            content = json.dumps(document, indent=4).encode()
            self.send_response(status)
            self.send_header("Content-Type", _JSON)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            self.wfile.flush()

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            del code, size  # serve.py logs each request already

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Rest)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}/v1/models/{model.name}:predict"


def _rows(instances: Any, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Reads row by row: each instance is the value of the only input, or names its inputs."""
    if not isinstance(instances, list) or not instances:
        raise ValueError("'instances' has to be a list with at least one instance")
    if not _is_named(instances[0]):
        return _columns(instances, wanted)
    for instance in instances:
        if not isinstance(instance, dict) or instance.keys() != wanted.keys():
            raise ValueError(f"each instance has to have the inputs {', '.join(wanted)}")
    return {name: [instance[name] for instance in instances] for name in wanted}


def _columns(inputs: Any, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Reads column by column: the whole of the only input, or of each input by its name."""
    if _is_named(inputs):
        if inputs.keys() != wanted.keys():
            raise ValueError(f"expected the inputs {', '.join(wanted)}, found {', '.join(inputs)}")
        return dict(inputs)
    if len(wanted) != 1:
        raise ValueError(f"the model has several inputs, which need their names: {', '.join(wanted)}")
    return {next(iter(wanted)): inputs}


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() != {"b64"}


def _by_row(answers: Mapping[str, Any]) -> list[Any]:
    if not all(isinstance(rows, list) for rows in answers.values()):
        raise ValueError("an output of the model is no list of rows: ask with 'inputs' instead of 'instances'")
    if len(answers) == 1:
        return list(next(iter(answers.values())))
    return [dict(zip(answers, row, strict=True)) for row in zip(*answers.values(), strict=True)]


def _alone(answers: Mapping[str, Any]) -> Any:
    return next(iter(answers.values())) if len(answers) == 1 else dict(answers)


def _decoded(value: Any) -> Any:
    """Returns the value with each `{"b64": ...}` as bytes."""
    if isinstance(value, dict) and value.keys() == {"b64"}:
        return base64.b64decode(value["b64"])
    return [_decoded(item) for item in value] if isinstance(value, list) else value


def _plain(value: Any, output: str) -> Any:
    """Returns the value as JSON can say it; bytes of an output whose name ends in `_bytes` as `{"b64": ...}`."""
    if isinstance(value, list):
        return [_plain(item, output) for item in value]
    if isinstance(value, bytes):
        return (
            {"b64": base64.b64encode(value).decode()} if output.endswith("_bytes") else value.decode("utf-8", "replace")
        )
    return value


def _documents(text: str) -> Sequence[Any]:
    """Returns the JSON documents of a text, which white space separates."""
    decoder, documents, place = json.JSONDecoder(), [], 0
    text = text.strip()
    while place < len(text):
        document, place = decoder.raw_decode(text, place)
        documents.append(document)
        while place < len(text) and text[place].isspace():
            place += 1
    return documents


def _csv_instance(line: str) -> Any:
    """Reads numbers and quoted words as JSON has them, any other cells as words; a single cell stands alone."""
    cells: list[Any] = next(csv.reader([line.strip()]))
    if re.match(r"""\s*["\d.+-]""", line):
        cells = [_number(cell) for cell in cells]
    return cells if len(cells) > 1 else cells[0]


def _number(cell: str) -> Any:
    try:
        return json.loads(cell)
    except ValueError:
        return cell
