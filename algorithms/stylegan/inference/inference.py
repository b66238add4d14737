"""The handler: {"seeds": [0, 1], "truncation_psi": 0.7} in, the images of these seeds side by side out, as a PNG."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sagemaker_inference.errors import BaseInferenceToolkitError

MAX_SEEDS = 16
JSON = "application/json"
PNG = "image/png"


class Request(NamedTuple):
    """What to draw."""

    seeds: list[int]
    truncation_psi: float
    label: int | None
    """The class, for a network that was trained with classes."""


class Model(NamedTuple):
    """The generator and where it runs."""

    generator: Any
    device: Any


def model_fn(model_dir: str) -> Model:
    import legacy  # upstream's
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with (Path(model_dir) / "network.pkl").open("rb") as file:
        return Model(legacy.load_network_pkl(file)["G_ema"].to(device), device)


def input_fn(body: str | bytes, content_type: str) -> Request:
    if content_type != JSON:
        raise refused(415, f"The content type {content_type} is not supported: send {JSON}.")
    try:
        asked = json.loads(body)
    except ValueError as error:
        raise refused(400, f"The request is not JSON: {error}.") from error
    if not isinstance(asked, dict):
        raise refused(400, "The request is not a JSON object.")
    return Request(_seeds(asked), _truncation(asked), _label(asked))


def _seeds(asked: dict[str, Any]) -> list[int]:
    seeds = asked.get("seeds", [0])
    whole = isinstance(seeds, list) and all(type(seed) is int and 0 <= seed < 2**32 for seed in seeds)
    if not whole or not 1 <= len(seeds) <= MAX_SEEDS:
        raise refused(400, f"seeds: expected 1 to {MAX_SEEDS} whole numbers from 0, found {json.dumps(seeds)[:80]}.")
    return seeds


def _truncation(asked: dict[str, Any]) -> float:
    psi = asked.get("truncation_psi", 1.0)
    if type(psi) not in (int, float) or not -2 <= psi <= 2:
        raise refused(400, f"truncation_psi: expected a number from -2 to 2, found {json.dumps(psi)[:80]}.")
    return float(psi)


def _label(asked: dict[str, Any]) -> int | None:
    label = asked.get("class")
    if label is not None and (type(label) is not int or label < 0):
        raise refused(400, f"class: expected a whole number from 0, found {json.dumps(label)[:80]}.")
    return label


def predict_fn(request: Request, model: Model) -> np.ndarray:
    """Height x width x 3 bytes, the images from left to right."""
    import torch

    generator, device = model
    label = torch.zeros([1, generator.c_dim], device=device)
    if generator.c_dim:
        if request.label is None or request.label >= generator.c_dim:
            raise refused(400, f"class: expected a number below {generator.c_dim}, found {request.label}.")
        label[:, request.label] = 1
    images = []
    with torch.no_grad():
        for seed in request.seeds:
            z = torch.from_numpy(np.random.RandomState(seed).randn(1, generator.z_dim)).to(device)
            # Half precision is for GPUs only.
            options = {"force_fp32": True} if device.type == "cpu" else {}
            drawn = generator(z, label, truncation_psi=request.truncation_psi, noise_mode="const", **options)
            images.append((drawn[0].permute(1, 2, 0) * 127.5 + 128).clamp(0, 255).to(torch.uint8).cpu().numpy())
    return np.concatenate(images, axis=1)


def output_fn(image: np.ndarray, accept: str) -> tuple[bytes, str]:
    from PIL import Image

    # The toolkit's own default, for a request without the header, is JSON.
    if accept not in (PNG, JSON, "image/*", "*/*"):
        raise refused(406, f"The answer is {PNG}, which the header Accept leaves out.")
    buffer = io.BytesIO()
    Image.fromarray(image.squeeze()).save(buffer, "PNG")
    return buffer.getvalue(), PNG


def refused(status: int, message: str) -> BaseInferenceToolkitError:
    return BaseInferenceToolkitError(status, message, message)
