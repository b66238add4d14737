"""The face handler: a photo in, the aligned face and its four age renderings side by side out.

The model is whatever the archive holds beside code/: model.onnx (run by onnxruntime) or model.pt (TorchScript, run by
torch, which the image must then have installed). Either is called with

    image  float32 [1, 3, 1024, 1024], RGB in 0..1, aligned so that the eyes are at EYES
    age    float32 [1], years

and answers an image of the same shape and range. Nothing is kept between requests, so they may run at once.
"""

from __future__ import annotations

import io
import struct
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from PIL import Image, ImageOps

SIZE = 1024
AGES = (25, 35, 55, 75)
EYES = ((389.0, 480.0), (635.0, 480.0))  # left and right in the picture
MOST_MEGAPIXELS = 40
SMALLEST_SIDE = 64
DETECTION_SIDE = 1024
SMALLEST_FACE = 40
EYE_SEARCH_WIDTH = 300  # a face of any size is brought to this before its eyes are looked for
PHOTO_TYPES = {"image/jpeg", "image/jpg", "image/png"}
SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
ANSWER_TYPE = "application/x-npy"
DAMAGED = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)

# The limit above is checked on the header; Pillow's own would answer some of the same photos in other words.
Image.MAX_IMAGE_PIXELS = None

Point = tuple[float, float]
Render = Callable[[np.ndarray, float], np.ndarray]


class BadPhoto(Exception):
    """The photo cannot be used; the text says why."""

    status_code = 400


class UnsupportedType(BadPhoto):
    status_code = 415


@dataclass(frozen=True, slots=True)
class Model:
    """`render(image, age)` takes and gives [1, 3, 1024, 1024]. OpenCV's classifiers cannot be shared: `lock` them."""

    render: Render
    faces: cv2.CascadeClassifier
    eyes: cv2.CascadeClassifier
    lock: threading.Lock = field(default_factory=threading.Lock)


def model_fn(model_dir: str) -> Model:
    folder = Path(model_dir)
    if (folder / "model.onnx").is_file():
        render = _onnx(folder / "model.onnx")
    elif (folder / "model.pt").is_file():
        render = _torch(folder / "model.pt")
    else:
        raise RuntimeError("The model archive holds neither model.onnx nor model.pt.")
    return Model(render, _cascade("frontalface_alt2"), _cascade("eye_tree_eyeglasses"))


def input_fn(body: bytes, content_type: str | None) -> np.ndarray:
    """The photo as height x width x 3, RGB uint8, upright."""
    sent = (content_type or "").split(";")[0].strip().lower()
    if sent not in PHOTO_TYPES:
        raise UnsupportedType(f"The content type {sent or 'none'} is not supported: send image/jpeg or image/png.")
    if not body:
        raise BadPhoto("The request is empty: send a JPEG or PNG photo.")
    try:
        photo = Image.open(io.BytesIO(body), formats=("JPEG", "PNG"))
    except DAMAGED as error:
        if body.startswith(SIGNATURES):
            raise BadPhoto("The photo is damaged or cut short: its header cannot be read.") from error
        raise BadPhoto("The file is not a JPEG or PNG photo.") from error
    _check_size(*photo.size)
    try:
        photo.load()
    except DAMAGED as error:
        raise BadPhoto(f"The photo is damaged or cut short: {error}.") from error
    return np.asarray(_plain(_upright(photo)))


def predict_fn(photo: np.ndarray, model: Model) -> np.ndarray:
    """1024 x 5120 x 3, RGB uint8: the aligned face, then one rendering for each of AGES."""
    with model.lock:
        eyes = find_eyes(photo, model.faces, model.eyes)
    face = align(photo, eyes)
    image = np.ascontiguousarray(face.transpose(2, 0, 1)[None], dtype=np.float32) / 255
    return np.concatenate([face, *(_as_bytes(model.render(image, age)) for age in AGES)], axis=1)


def output_fn(tiles: np.ndarray, _accept: str | None) -> tuple[bytes, str]:
    buffer = io.BytesIO()
    np.save(buffer, tiles, allow_pickle=False)
    return buffer.getvalue(), ANSWER_TYPE


def find_eyes(photo: np.ndarray, faces: cv2.CascadeClassifier, eyes: cv2.CascadeClassifier) -> tuple[Point, Point]:
    """Both eyes of the largest face, in pixels of the photo; where they hide, the places eyes have in such a box."""
    scale = min(1.0, DETECTION_SIDE / max(photo.shape[:2]))
    small = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else photo
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    found = faces.detectMultiScale(cv2.equalizeHist(grey), 1.1, 5, minSize=(SMALLEST_FACE, SMALLEST_FACE))
    if len(found) == 0:
        raise BadPhoto("No face found in the photo.")
    left, top, width, height = (int(value) for value in max(found, key=lambda box: box[2] * box[3]))
    pair = _eyes_in(grey[top : top + height, left : left + width], eyes)
    (lx, ly), (rx, ry) = pair or ((0.265 * width, 0.37 * height), (0.735 * width, 0.37 * height))
    return ((left + lx) / scale, (top + ly) / scale), ((left + rx) / scale, (top + ry) / scale)


def align(photo: np.ndarray, eyes: tuple[Point, Point]) -> np.ndarray:
    """The face turned, scaled and moved so that its eyes come to EYES; what lies outside the photo is mirrored."""
    (ax, ay), (bx, by) = eyes
    (tx, ty), (ux, _) = EYES
    # In complex numbers a turn and a scale are one factor.
    factor = complex(ux - tx, 0) / complex(bx - ax, by - ay)
    scale = abs(factor)
    if scale < 1:
        # Warping alone would skip pixels of a large photo.
        photo = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        factor, ax, ay = factor / scale, ax * scale, ay * scale
    shift = complex(tx, ty) - factor * complex(ax, ay)
    matrix = np.array([[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]])
    return cv2.warpAffine(photo, matrix, (SIZE, SIZE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)


def _eyes_in(face: np.ndarray, eyes: cv2.CascadeClassifier) -> tuple[Point, Point] | None:
    """The largest find on each side of the upper face; parts of an eye, nostrils and hair are smaller."""
    zoom = face.shape[1] / EYE_SEARCH_WIDTH
    upper = cv2.resize(face, (EYE_SEARCH_WIDTH, EYE_SEARCH_WIDTH))[: int(EYE_SEARCH_WIDTH * 0.6)]
    found = sorted(eyes.detectMultiScale(upper, 1.05, 4, minSize=(40, 40)), key=lambda box: -box[2])
    centres = [((x + w / 2) * zoom, (y + h / 2) * zoom) for x, y, w, h in found]
    left = [at for at in centres if 0.15 < at[0] / face.shape[1] < 0.45]
    right = [at for at in centres if 0.55 < at[0] / face.shape[1] < 0.85]
    if not left or not right:
        return None
    tilt = abs(left[0][1] - right[0][1]) / (right[0][0] - left[0][0])
    return (left[0], right[0]) if tilt < 0.4 else None


def _check_size(width: int, height: int) -> None:
    megapixels = width * height / 1e6
    if megapixels > MOST_MEGAPIXELS:
        raise BadPhoto(
            f"The photo has {megapixels:.1f} megapixels ({width} x {height}); the limit is {MOST_MEGAPIXELS}."
        )
    if min(width, height) < SMALLEST_SIDE:
        raise BadPhoto(
            f"The photo is {width} x {height} pixels; at least {SMALLEST_SIDE} x {SMALLEST_SIDE} are needed."
        )


def _upright(photo: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(photo)
    except DAMAGED:
        return photo  # a broken EXIF block says nothing about the picture


def _plain(photo: Image.Image) -> Image.Image:
    """RGB, eight bits a channel; transparent parts become white."""
    if photo.mode.startswith("I;16") or photo.mode == "I":
        return Image.fromarray((np.asarray(photo) // 257).clip(0, 255).astype(np.uint8)).convert("RGB")
    if not photo.has_transparency_data:
        return photo.convert("RGB")
    layered = photo.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered).convert("RGB")


def _as_bytes(image: np.ndarray) -> np.ndarray:
    if image.shape != (1, 3, SIZE, SIZE):
        raise RuntimeError(f"The model answered the shape {image.shape}, not (1, 3, {SIZE}, {SIZE}).")
    return (image[0].transpose(1, 2, 0).clip(0, 1) * 255 + 0.5).astype(np.uint8)


def _cascade(name: str) -> cv2.CascadeClassifier:
    return cv2.CascadeClassifier(f"{cv2.data.haarcascades}haarcascade_{name}.xml")


def _onnx(path: Path) -> Render:
    options = onnxruntime.SessionOptions()
    options.enable_cpu_mem_arena = False  # it would keep the memory of the busiest moment for good
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = {value.name for value in session.get_inputs()}
    if names != {"image", "age"}:
        raise RuntimeError(f"model.onnx has the inputs {sorted(names)}; image and age are expected.")

    def render(image: np.ndarray, age: float) -> np.ndarray:
        return session.run(None, {"image": image, "age": np.array([age], np.float32)})[0]

    return render


def _torch(path: Path) -> Render:
    try:
        import torch
    except ImportError as error:
        raise RuntimeError("The archive holds model.pt, but torch is not installed in this image.") from error
    module = torch.jit.load(str(path), map_location="cpu").eval()

    def render(image: np.ndarray, age: float) -> np.ndarray:
        with torch.inference_mode():
            return module(torch.from_numpy(image), torch.tensor([float(age)])).numpy()

    return render
