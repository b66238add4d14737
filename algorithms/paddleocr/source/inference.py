"""What the framework's model server calls: an image in, its lines of text with their places out.

`{"lines": [{"text": "...", "confidence": 0.97, "box": [left, top, right, bottom]}, ...]}`. Where the archive, or the
variable `det_model_dir`, has a detector of PaddleOCR's, PaddleOCR finds the lines; without one they are found on plain
paper by their ink (lines.py).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lines
import recognizer
from PIL import Image

_TYPES = ("image/jpeg", "image/png", "application/x-image")


class UnsupportedType(NotImplementedError):
    status_code = 415


class Reader:
    """Finds lines by their ink and reads them with the trained recognizer."""

    def __init__(self, folder: Path) -> None:
        self._network, self._alphabet = recognizer.load(folder)

    def read(self, page: Image.Image) -> list[dict[str, Any]]:
        found = lines.find(page)
        if not found:
            return []
        texts = recognizer.read(self._network, [lines.normal(line.image) for line in found], self._alphabet)
        return [_line(text, sure, line.box) for line, (text, sure) in zip(found, texts) if text]


class PaddleReader:
    """PaddleOCR's own pipeline over models that lie in folders. Nothing is downloaded."""

    def __init__(self, detector: Path, folder: Path, letters: Path, variables: Mapping[str, str]) -> None:
        from paddleocr import PaddleOCR

        own = (folder / "dict.txt").is_file()
        self._ocr = PaddleOCR(
            lang=variables.get("lang", "en"),
            use_gpu=variables.get("device", "cpu") != "cpu",
            det_model_dir=str(detector),
            rec_model_dir=str(folder),
            rec_char_dict_path=str(letters),
            # It would fetch a classifier of angles even when it is told to use none; a folder that is there stops it.
            cls_model_dir=str(detector),
            use_angle_cls=False,
            show_log=False,
            **({"rec_algorithm": "CRNN", "rec_image_shape": "3, 32, 320", "use_space_char": False} if own else {}),
        )

    def read(self, page: Image.Image) -> list[dict[str, Any]]:
        pixels = lines.np.asarray(page.convert("RGB"))
        (found,) = self._ocr.ocr(pixels, cls=False)
        return [_line(text, sure, _upright(corners)) for corners, (text, sure) in found or []]


def model_fn(model_dir: str) -> Reader | PaddleReader:
    """The recognizer in `rec/`, or where the variables say; their paths are inside the model archive."""
    variables, root = os.environ, Path(model_dir)
    if variables.get("task", "ocr") != "ocr":
        raise RuntimeError(f"the variable task: expected ocr, found {variables['task']!r}")
    folder = root / variables.get("rec_model_dir", recognizer.FOLDER)
    detector = root / variables.get("det_model_dir", "det")
    if detector.is_dir():
        letters = root / variables.get("rec_char_dict_path", f"{folder}/dict.txt")
        return PaddleReader(detector, folder, letters, variables)
    return Reader(folder)


def input_fn(body: bytes, content_type: str | None) -> Image.Image:
    sent = (content_type or "").split(";")[0].strip().lower()
    if sent not in _TYPES:
        raise UnsupportedType(f"The content type {sent or 'none'} is not supported: send image/jpeg or image/png.")
    return lines.picture(body)


def predict_fn(page: Image.Image, model: Reader | PaddleReader) -> list[dict[str, Any]]:
    return model.read(page)


def output_fn(found: list[dict[str, Any]], _accept: str | None) -> tuple[str, str]:
    return json.dumps({"lines": found}, ensure_ascii=False), "application/json"


def _line(text: str, sure: float, box: Any) -> dict[str, Any]:
    return {"text": text.strip(), "confidence": round(float(sure), 4), "box": [round(float(edge), 1) for edge in box]}


def _upright(corners: Any) -> tuple[float, float, float, float]:
    across, down = zip(*corners)
    return min(across), min(down), max(across), max(down)
