"""The handler: an image in, the objects found in it out, each with its label, its confidence and its box.

Boxes are [left, top, right, bottom] in pixels. SIZE, CONFIDENCE and IOU are variables of the endpoint.
"""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import decoding
import numpy as np
from PIL import Image, UnidentifiedImageError
from sagemaker_inference.errors import BaseInferenceToolkitError

JSON = "application/json"
ANY_IMAGE = ("application/x-image", "application/octet-stream")
STRIDE = 32


class Model(NamedTuple):
    """The network and where it runs."""

    network: Any
    device: Any


def model_fn(model_dir: str) -> Model:
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    # Not upstream's attempt_load, which fetches a file from the internet when its path has a capital letter in it.
    checkpoint = torch.load(Path(model_dir) / "model.pt", map_location=device)
    network = (checkpoint.get("ema") or checkpoint["model"]).float().fuse().eval()
    for module in network.modules():
        if isinstance(module, torch.nn.Upsample):
            module.recompute_scale_factor = None  # newer than the PyTorch that it was saved by
    return Model(network, device)


def input_fn(body: bytes, content_type: str) -> np.ndarray:
    """Height x width x 3 bytes, upright."""
    if not content_type.startswith("image/") and content_type not in ANY_IMAGE:
        raise refused(415, f"The content type {content_type} is not supported: send image/jpeg or image/png.")
    try:
        with Image.open(io.BytesIO(body)) as image:
            return np.asarray(decoding.upright(image))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise refused(400, f"The image cannot be read: {error}.") from error


def predict_fn(image: np.ndarray, model: Model) -> list[dict[str, Any]]:
    import torch
    from utils.datasets import letterbox  # upstream's
    from utils.general import non_max_suppression, scale_coords

    network, device = model
    fitted = letterbox(image, int(os.environ.get("SIZE", "640")), stride=STRIDE)[0]
    batch = torch.from_numpy(np.ascontiguousarray(fitted.transpose(2, 0, 1))).to(device).float()[None] / 255
    with torch.no_grad():
        raw = network(batch)[0]
    confidence, iou = float(os.environ.get("CONFIDENCE", "0.25")), float(os.environ.get("IOU", "0.45"))
    found = non_max_suppression(raw, confidence, iou)[0]
    found[:, :4] = scale_coords(batch.shape[2:], found[:, :4], image.shape).round()
    return [
        {"label": str(network.names[int(index)]), "confidence": round(score, 4), "box": [int(edge) for edge in box]}
        for *box, score, index in found.tolist()
    ]


def output_fn(objects: list[dict[str, Any]], accept: str) -> tuple[str, str]:
    if accept not in (JSON, "application/*", "*/*"):
        raise refused(406, f"The answer is {JSON}, which the header Accept leaves out.")
    return json.dumps(objects), JSON


def refused(status: int, message: str) -> BaseInferenceToolkitError:
    return BaseInferenceToolkitError(status, message, message)
