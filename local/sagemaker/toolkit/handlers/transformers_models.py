"""The Hugging Face images' default functions: a pipeline of the task that HF_TASK names."""

import importlib
import json
import os
from typing import Any


def model_fn(model_dir: str) -> Any:
    """Loads the pipeline over the archive's model, or over the hub's model HF_MODEL_ID."""
    transformers = importlib.import_module("transformers")
    name = os.environ.get("HF_MODEL_ID") or model_dir
    try:
        return transformers.pipeline(task=os.environ.get("HF_TASK"), model=name)
    except OSError as error:
        # The last line is what the endpoint's failure ends with; the library's own is general advice.
        raise RuntimeError(f"the model {name!r} cannot be loaded: {str(error).splitlines()[0]}") from error


def input_fn(body: bytes | str, content_type: str) -> Any:
    """Reads a JSON object with `inputs` and, if wanted, `parameters`."""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise NotImplementedError(f"the content type {content_type!r} is not read; application/json is")
    return json.loads(body)


def predict_fn(data: Any, model: Any) -> Any:
    """Returns what the pipeline says of the inputs."""
    return model(data.pop("inputs", data), **data.pop("parameters", {})) if isinstance(data, dict) else model(data)


def output_fn(prediction: Any, accept: str) -> tuple[str, str]:
    """Writes JSON, as the pipeline answers."""
    del accept
    return json.dumps(prediction, default=float), "application/json"
