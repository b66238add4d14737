"""The TensorFlow images' server: the shapes of its requests and answers, over a stand-in for TensorFlow itself."""

import http.client
import json
import sys
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from local.sagemaker.machine.environments import Environments
from local.sagemaker.toolkit.handlers import tensorflow_models as tensorflow


class Shape(tuple[int | None, ...]):
    def is_compatible_with(self, other: tuple[int, ...]) -> bool:
        return len(self) == len(other) and all(mine in (None, theirs) for mine, theirs in zip(self, other, strict=True))


class Signature:
    """Adds up each row, or joins two inputs."""

    def __init__(self, **inputs: Shape) -> None:
        kind = SimpleNamespace(name="float32")
        specs = {name: SimpleNamespace(shape=shape, dtype=kind) for name, shape in inputs.items()}
        self.structured_input_signature = ((), specs)

    def __call__(self, **tensors: Any) -> Mapping[str, Any]:
        sums = {f"sum_{name}": tensor.sum(axis=1) for name, tensor in tensors.items()}
        return {name: SimpleNamespace(numpy=lambda value=value: value) for name, value in sums.items()}


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A TensorFlow whose models have the signatures `serving_default` and `two`; answers the folders it has loaded."""
    folders: list[str] = []
    signatures = {
        "serving_default": Signature(x=Shape((None, 2))),
        "two": Signature(a=Shape((None, 1)), b=Shape((None, 1))),
    }

    def load(folder: str) -> Any:
        folders.append(folder)
        return SimpleNamespace(signatures=signatures)

    module = ModuleType("tensorflow")
    module.saved_model = SimpleNamespace(load=load)  # type: ignore[attr-defined]
    module.constant = lambda value, dtype: np.array(value, dtype.name)  # type: ignore[attr-defined]
    module.errors = SimpleNamespace(OpError=ZeroDivisionError)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tensorflow", module)
    monkeypatch.delitem(sys.modules, "inference", raising=False)
    monkeypatch.delenv("SAGEMAKER_PROGRAM", raising=False)
    for version in ("2", "10"):
        (tmp_path / "export" / version).mkdir(parents=True)
        (tmp_path / "export" / version / "saved_model.pb").touch()
    return folders


@pytest.mark.parametrize(
    ("content_type", "body", "request_"),
    [
        ("application/json", '{"instances": [[1, 2]]}', {"instances": [[1, 2]]}),
        ("application/json", '{"inputs": {"x": [1]}}', {"inputs": {"x": [1]}}),
        ("application/json", "[1, 2]", {"instances": [[1, 2]]}),
        ("application/json", "[[1, 2], [3, 4]]", {"instances": [[1, 2], [3, 4]]}),
        ("application/json", '{"x": 1}', {"instances": [{"x": 1}]}),
        ("application/jsonlines", "[1, 2]\n[3, 4]\n", {"instances": [[1, 2], [3, 4]]}),
        ("text/csv; charset=utf-8", "1,2.5\n3,4\n\n", {"instances": [[1, 2.5], [3, 4]]}),
        ("text/csv", "1\n2\n", {"instances": [1, 2]}),
        ("text/csv", 'red,"a, b"\n', {"instances": [["red", "a, b"]]}),
    ],
)
def test_bodies_become_requests_as_in_the_image(content_type: str, body: str, request_: Any) -> None:
    assert tensorflow.request_of(body, content_type) == request_


def test_the_highest_version_answers_by_row_and_by_column(tmp_path: Path, loaded: list[str]) -> None:
    model = tensorflow.model_fn(str(tmp_path))
    assert loaded == [str(tmp_path / "export" / "10")]
    answer, kind = tensorflow.transform_fn(model, "1,2\n3,4\n", "text/csv", "application/json")
    assert (json.loads(answer), kind) == ({"predictions": [3.0, 7.0]}, "application/json")
    answer, _ = tensorflow.transform_fn(model, b'{"inputs": [[1, 2]]}', "application/json", "application/json")
    assert json.loads(answer) == {"outputs": [3.0]}
    named = {"signature_name": "two", "instances": [{"a": [1], "b": [2]}]}
    answer, _ = tensorflow.transform_fn(model, json.dumps(named), "application/json", "application/json")
    assert json.loads(answer) == {"predictions": [{"sum_a": 1.0, "sum_b": 2.0}]}


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"instances": [[1, 2, 3]]}, r"input 'x': expected the shape \(None, 2\), found \(1, 3\)"),
        ({"instances": [["a", "b"]]}, "input 'x' is no tensor of float32"),
        ({"instances": []}, "at least one instance"),
        ({"instances": [{"y": 1}]}, "each instance has to have the inputs x"),
        ({"examples": []}, "either 'instances' or 'inputs'"),
        ({"signature_name": "none", "instances": [[1, 2]]}, "'none' not found"),
        ({"signature_name": "two", "inputs": [[1]]}, "several inputs"),
    ],
)
def test_a_request_that_does_not_fit_the_model_is_told(tmp_path: Path, request_: Any, reason: str) -> None:
    model = tensorflow.model_fn(str(tmp_path))
    with pytest.raises(ValueError, match=reason):
        tensorflow.transform_fn(model, json.dumps(request_), "application/json", "application/json")


@pytest.mark.usefixtures("loaded")
def test_a_type_that_the_image_does_not_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotImplementedError, match="Unsupported Media Type: image/png"):
        tensorflow.transform_fn(tensorflow.model_fn(str(tmp_path)), b"", "image/png", "*/*")


@pytest.mark.usefixtures("loaded")
def test_a_script_reaches_the_model_by_its_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def handler(data: Any, context: tensorflow.Context) -> tuple[bytes, str]:
        address = urllib.parse.urlsplit(context.rest_uri)
        connection = http.client.HTTPConnection(address.netloc, timeout=10)
        connection.request("POST", address.path, data.read())
        answer = connection.getresponse().read()
        connection.close()
        return answer, context.accept_header

    script = ModuleType("inference")
    script.handler = handler  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "inference", script)
    model = tensorflow.model_fn(str(tmp_path))
    answer, kind = tensorflow.transform_fn(model, '{"instances": [[1, 2]]}', "application/json", "application/x-own")
    assert (json.loads(answer), kind) == ({"predictions": [3.0]}, "application/x-own")
    answer, _ = tensorflow.transform_fn(model, '{"instances": [[1]]}', "application/json", "*/*")
    assert "expected the shape" in json.loads(answer)["error"]


@pytest.mark.usefixtures("loaded")
def test_a_script_without_handlers_and_an_archive_without_a_model_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "inference", ModuleType("inference"))
    with pytest.raises(RuntimeError, match="neither handler nor input_handler"):
        tensorflow.model_fn(str(tmp_path))
    (tmp_path / "empty").mkdir()
    with pytest.raises(RuntimeError, match="the model archive holds no <number>/"):
        tensorflow.model_fn(str(tmp_path / "empty"))


@pytest.mark.parametrize(
    ("image", "package"),
    [
        ("tensorflow-inference:2.19.0-cpu", "tensorflow-cpu==2.19.0"),
        ("tensorflow-training:2.18.0-gpu-py310-cu125-ubuntu22.04-sagemaker", "tensorflow-cpu==2.18.0"),
        ("tensorflow-training:2.6.3-cpu-py38-ubuntu20.04-sagemaker", "tensorflow-cpu==2.14.1"),
    ],
)
def test_images_of_tensorflow_stand_for_the_nearest_version_and_serve_saved_models(
    tmp_path: Path, image: str, package: str
) -> None:
    found = Environments(tmp_path, {}).resolve(f"763104351884.dkr.ecr.eu-west-1.amazonaws.com/{image}")
    assert package in found.requirements.decode()
    assert found.serve[-1].endswith("tensorflow_models.py")
