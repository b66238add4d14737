"""The MXNet images' default functions: a saved Module or hybridized network, arrays in and out."""

import csv
import importlib
import io
import json
from pathlib import Path
from typing import Any


def model_fn(model_dir: str) -> Any:
    """Loads `model-symbol.json` with its `.params`: a Module where `model-shapes.json` names inputs, else a network."""
    folder = Path(model_dir)
    symbols = sorted(folder.glob("*-symbol.json"), key=lambda file: file.name != "model-symbol.json")
    if not symbols:
        raise RuntimeError("the model archive holds no *-symbol.json, and the inference script defines no model_fn")
    prefix = str(symbols[0]).removesuffix("-symbol.json")
    shapes = Path(f"{prefix}-shapes.json")
    if shapes.is_file():
        return _module(prefix, [(shape["name"], tuple(shape["shape"])) for shape in json.loads(shapes.read_text())])
    weights = next((str(file) for file in sorted(folder.glob(f"{Path(prefix).name}-*.params"))), None)
    return importlib.import_module("mxnet.gluon").SymbolBlock.imports(str(symbols[0]), ["data"], weights)


def _module(prefix: str, shapes: list[tuple[str, tuple[int, ...]]]) -> Any:
    mxnet = importlib.import_module("mxnet")
    symbol, arguments, auxiliary = mxnet.model.load_checkpoint(prefix, 0)
    data = [name for name, _ in shapes]
    # What is neither input nor weight is the label of the loss; taken for a weight it would fix the number of rows.
    labels = [name for name in symbol.list_arguments() if name not in data and name not in arguments]
    module = mxnet.mod.Module(symbol, data_names=data, label_names=labels)
    module.bind(for_training=False, data_shapes=shapes)
    module.set_params(arguments, auxiliary)
    return module


def input_fn(body: bytes | str, content_type: str) -> Any:
    """Reads JSON, CSV or .npy as an array."""
    mxnet, numpy = importlib.import_module("mxnet"), importlib.import_module("numpy")
    match content_type.partition(";")[0].strip().lower():
        case "application/json":
            return mxnet.nd.array(json.loads(body))
        case "text/csv":
            rows = [[float(cell) for cell in row] for row in csv.reader(io.StringIO(str(body))) if row]
            return mxnet.nd.array(rows)
        case "application/x-npy":
            raw = body.encode() if isinstance(body, str) else body
            return mxnet.nd.array(numpy.load(io.BytesIO(raw), allow_pickle=False))
        case kind:
            raise NotImplementedError(f"the content type {kind!r} is not read; JSON, CSV and .npy are")


def predict_fn(data: Any, model: Any) -> Any:
    """Returns the model's answer as an array."""
    if hasattr(model, "bind"):
        # A Module is bound to one number of rows; a request has its own.
        bound = model.data_shapes[0]
        if tuple(bound.shape) != data.shape:
            model.bind(for_training=False, data_shapes=[(bound.name, data.shape)], force_rebind=True)
        outputs = model.predict(data)
    else:
        outputs = model(data)
    first = outputs[0] if isinstance(outputs, list | tuple) else outputs
    return first.asnumpy() if hasattr(first, "asnumpy") else first
