"""The PyTorch images' default functions: a TorchScript model, tensors in and out."""

import importlib
import io
import json
from pathlib import Path
from typing import Any


def model_fn(model_dir: str) -> Any:
    """Loads `model.pt`, or the one .pt or .pth file there is, as TorchScript."""
    torch = importlib.import_module("torch")
    files = sorted([*Path(model_dir).glob("*.pt"), *Path(model_dir).glob("*.pth")], key=lambda f: f.name != "model.pt")
    if not files:
        raise RuntimeError("the model archive holds no .pt file, and the inference script defines no model_fn")
    return torch.jit.load(str(files[0]), map_location="cpu")


def input_fn(body: bytes | str, content_type: str) -> Any:
    """Reads JSON, CSV or .npy as a tensor."""
    torch, numpy = importlib.import_module("torch"), importlib.import_module("numpy")
    kind = content_type.partition(";")[0].strip().lower()
    raw = body.encode() if isinstance(body, str) else body
    if kind == "application/json":
        return torch.tensor(json.loads(raw))
    if kind == "text/csv":
        return torch.tensor(numpy.loadtxt(io.BytesIO(raw), delimiter=",", ndmin=2, dtype="float32"))
    if kind == "application/x-npy":
        return torch.from_numpy(numpy.load(io.BytesIO(raw), allow_pickle=False))
    raise NotImplementedError(f"the content type {kind!r} is not read; JSON, CSV and .npy are")


def predict_fn(data: Any, model: Any) -> Any:
    """Returns the model's answer as an array."""
    torch = importlib.import_module("torch")
    if hasattr(model, "eval"):
        model.eval()
    with torch.no_grad():
        output = model(data)
    return output.cpu().numpy() if hasattr(output, "cpu") else output
