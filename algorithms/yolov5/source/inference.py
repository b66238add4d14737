"""What the framework's model server calls: a picture in, the boxes of what is in it out.

Weights are the checkpoint that YOLOv5's train.py leaves (`<name>/weights/best.pt`), or a TorchScript export of it
(`*.torchscript`), which needs nothing of YOLOv5 to be loaded and is preferred where both are there.
"""

import importlib.util
import inspect
import json
import os
import sys
from pathlib import Path

import detections

PACKAGE = "yolov5"


def model_fn(model_dir: str) -> tuple:
    """(network, names of its classes, settings)"""
    how = detections.settings(os.environ)
    file = weights(Path(model_dir), how.model_name)
    network, names = exported(file) if file.suffix == ".torchscript" else checkpoint(file)
    return network, names, how


def weights(folder: Path, model_name: str) -> Path:
    """The archive's own weights for `custom`, else those of that name."""
    pattern = "best" if model_name == "custom" else model_name
    found = [*sorted(folder.rglob(f"{pattern}.torchscript")), *sorted(folder.rglob(f"{pattern}.pt"))]
    if not found:
        raise RuntimeError(f"The model archive holds no {pattern}.torchscript and no {pattern}.pt.")
    return found[0]


def exported(file: Path) -> tuple:
    import torch  # pictures are checked without it

    extra = {"config.txt": ""}
    network = torch.jit.load(str(file), map_location=device(torch), _extra_files=extra).eval()
    described = json.loads(extra["config.txt"] or "{}")
    names = described.get("names", {})
    return network, named(names)


def checkpoint(file: Path) -> tuple:
    """A checkpoint is a pickle of YOLOv5's own classes, by the names they have in its repository."""
    import torch

    package = importlib.util.find_spec(PACKAGE)
    if package is None or package.origin is None:
        raise RuntimeError(f"The package {PACKAGE}, whose classes the checkpoint is made of, is not installed.")
    sys.path.append(str(Path(package.origin).parent))
    # Since 2.6 PyTorch refuses classes by default; these are of a training job of this account.
    whole = {"weights_only": False} if "weights_only" in inspect.signature(torch.load).parameters else {}
    held = torch.load(str(file), map_location=device(torch), **whole)
    network = (held.get("ema") or held["model"]).float().fuse().eval()
    return network, named(network.names)


def device(torch):
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def named(names) -> dict:
    """Number of a class -> its name, of the list or the object that YOLOv5 keeps."""
    pairs = names.items() if isinstance(names, dict) else enumerate(names)
    return {int(number): str(name) for number, name in pairs}


def input_fn(body, content_type):
    if not isinstance(body, (bytes, bytearray)):
        raise detections.Problem("Expected a picture, found text: send image/jpeg or image/png.")
    how = detections.settings(os.environ)
    return detections.read(bytes(body), content_type, how.size)


def predict_fn(picture, model: tuple) -> dict:
    import torch

    network, names, how = model
    with torch.no_grad():
        raw = network(torch.from_numpy(picture.pixels).to(device(torch)))
    # A checkpoint's network answers with its layers' own outputs behind the boxes.
    rows = raw[0] if isinstance(raw, (list, tuple)) else raw
    return detections.answer(rows[0].float().cpu().numpy(), picture, names, how)


def output_fn(found: dict, _accept) -> tuple:
    return json.dumps(found, ensure_ascii=False), "application/json"
