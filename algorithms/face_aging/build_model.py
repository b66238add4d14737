"""Writes model/model.onnx: age rendering of an aligned face, from image operators and their parameters.

It needs the packages of build_model.requirements.txt, and writes the same bytes each time.

It is no trained network. The graph computes every output pixel from the photo's pixels and the age:

    shape    the lower face sinks and the eyes narrow with age (a displacement field, GridSample)
    detail   two edge-keeping layers of skin detail (guided filters), softened below 45 and strengthened above
    folds    shading where faces fold, at their places in the aligned face, growing from 45 on
    tone     skin loses red and evenness
    hair     what has the colour found around the top of the head turns grey from 40 on

Which pixels are skin or hair is decided by nearness to this photo's own colours: the mean over the cheeks, and the mean
over the crown. A hat therefore turns grey as well.

Inputs  image float32 [1, 3, 1024, 1024], RGB in 0..1, the eyes at EYES; age float32 [1], years
Output  rendering float32 [1, 3, 1024, 1024], RGB in 0..1
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE = 1024
EYES = ((389.0, 480.0), (635.0, 480.0))  # where inference.py puts them
COARSE = SIZE // 4
PLACES = 64  # side of a stored map of places
# The last bits of exp() differ from one processor to another; rounded, the file is the same everywhere.
STORED_DIGITS = 7
TEMPLATE = 320  # side of the stored fold template
OUTPUT = Path(__file__).parent / "model" / "model.onnx"


class Graph:
    """Nodes in the order they are added; each call answers the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: object, kind: type = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype=kind), name))
        return name

    def __call__(self, kind: str, *inputs: object, output: str = "", **attributes: object) -> str:
        name = output or f"n{len(self.nodes)}"
        names = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        self.nodes.append(helper.make_node(kind, names, [name], **attributes))
        return name

    def total(self, *terms: object) -> str:
        result = terms[0] if isinstance(terms[0], str) else self.constant(terms[0])
        for term in terms[1:]:
            result = self("Add", result, term)
        return result

    def product(self, *factors: object) -> str:
        result = factors[0] if isinstance(factors[0], str) else self.constant(factors[0])
        for factor in factors[1:]:
            result = self("Mul", result, factor)
        return result

    def ramp(self, age: str, start: float, end: float) -> str:
        """0 at `start` years, 1 at `end`, straight between and flat beyond."""
        return self("Clip", self("Div", self("Sub", age, start), end - start), 0.0, 1.0)

    def resized(self, image: str, side: int, channels: int) -> str:
        sizes = self.constant([1, channels, side, side], np.int64)
        return self("Resize", image, "", "", sizes, mode="linear", coordinate_transformation_mode="half_pixel")

    def box(self, image: str, side: int) -> str:
        border = side // 2
        kernel = {"kernel_shape": [side, side], "pads": [border] * 4, "count_include_pad": 0}
        return self("AveragePool", image, **kernel)

    def shrunk(self, image: str) -> str:
        return self("AveragePool", image, kernel_shape=[4, 4], strides=[4, 4])

    def stored(self, values: np.ndarray, side: int) -> str:
        """A map in -1..1, kept in bytes, as [1, 1, side, side]."""
        kept = self.constant(np.round(values * 127)[None, None], np.int8)
        return self.resized(self("Div", self("Cast", kept, to=TensorProto.FLOAT), 127.0), side, 1)


def build() -> onnx.ModelProto:
    g = Graph()
    old = g.ramp("age", 45, 75)
    young = g("Sub", 1.0, g.ramp("age", 20, 45))
    shaped = shape(g, "image", "age")
    skin, hair = masks(g, shaped)
    detailed = detail(g, shaped, skin, young, old)
    folded = folds(g, detailed, skin, old)
    toned = tone(g, folded, skin, young, old)
    greyed = grey(g, toned, hair, g.ramp("age", 40, 75))
    g("Clip", greyed, 0.0, 1.0, output="rendering")
    image_type = [1, 3, SIZE, SIZE]
    graph = helper.make_graph(
        g.nodes,
        "face_aging",
        [
            helper.make_tensor_value_info("image", TensorProto.FLOAT, image_type),
            helper.make_tensor_value_info("age", TensorProto.FLOAT, [1]),
        ],
        [helper.make_tensor_value_info("rendering", TensorProto.FLOAT, image_type)],
        g.constants,
    )
    model = helper.make_model(
        graph, producer_name="headrace face_aging", opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def shape(g: Graph, image: str, age: str) -> str:
    """Moves pixels by up to some 20 pixels; below 40 years the other way, and less."""
    amount = g("Clip", g("Div", g("Sub", age, 40.0), 35.0), -0.5, 1.0)
    y, x = pixel_grid(64)
    towards = np.zeros((2, 64, 64))
    for side, (eye_x, eye_y) in zip((-1, 1), EYES, strict=True):
        jowl = blob(x, y, 512 + side * 175, 800, 95, 95)
        towards[1] += 20 * jowl
        towards[0] += side * 10 * jowl
        cheek = blob(x, y, 512 + side * 190, 650, 80, 70)
        towards[0] -= side * 9 * cheek
        brow = blob(x, y, eye_x, eye_y - 75, 90, 42)
        towards[1] += 11 * brow
        # Pixels above the eye come down and those below go up: it narrows.
        towards[1] -= 7 * blob(x, y, eye_x, eye_y, 62, 40) * (y - eye_y) / 30
    towards[1] += 10 * blob(x, y, 512, 650, 60, 60)  # tip of the nose
    towards[1] -= 4 * blob(x, y, 512, 745, 90, 45) * (y - 745) / 30  # lips thin
    # A grid says where each pixel comes from, in -1..1.
    offsets = g.constant(np.round(-towards[None] * 2 / SIZE, STORED_DIGITS))
    moved = g("Transpose", g.resized(offsets, SIZE, 2), perm=[0, 2, 3, 1])
    line = (np.arange(SIZE) * 2 + 1) / SIZE - 1
    across = g("Expand", line.reshape(1, 1, SIZE, 1), g.constant([1, SIZE, SIZE, 1], np.int64))
    down = g("Expand", line.reshape(1, SIZE, 1, 1), g.constant([1, SIZE, SIZE, 1], np.int64))
    rest = g("Concat", across, down, axis=3)
    grid = g("Add", rest, g("Mul", moved, amount))
    return g("GridSample", image, grid, mode="bilinear", padding_mode="border", align_corners=0)


def masks(g: Graph, image: str) -> tuple[str, str]:
    """Skin and hair, each [1, 1, SIZE, SIZE] in 0..1."""
    y, x = pixel_grid(PLACES)
    small = g.shrunk(image)
    cheeks = blob(x, y, 400, 620, 45, 45) + blob(x, y, 624, 620, 45, 45)
    skin_like = likeness(g, small, cheeks, 0.20, 0.055)
    face = 1 / (1 + np.exp((np.hypot((x - 512) / 285, (y - 590) / 400) - 1) * 14))
    eyes_and_mouth = blob(x, y, 512, 750, 100, 36)
    for eye_x, eye_y in EYES:
        eyes_and_mouth = eyes_and_mouth + blob(x, y, eye_x, eye_y, 62, 30)
    skin = g.box(g.product(skin_like, g.stored(face * np.clip(1 - 0.9 * eyes_and_mouth, 0, 1), COARSE)), 9)
    crown = blob(x, y, 512, 175, 150, 55) + blob(x, y, 290, 330, 45, 70) + blob(x, y, 734, 330, 45, 70)
    hair_like = likeness(g, small, crown, 0.34, 0.085)
    head = 1 / (1 + np.exp((np.hypot((x - 512) / 470, (y - 400) / 450) - 1) * 14))
    face_only = 1 / (1 + np.exp((np.hypot((x - 512) / 225, (y - 680) / 290) - 1) * 10))
    hair = g.product(hair_like, g.stored(head * (1 - face_only), COARSE), g("Sub", 1.0, g("Mul", skin, 0.8)))
    return g.resized(skin, SIZE, 1), g.resized(g.box(hair, 9), SIZE, 1)


def likeness(g: Graph, image: str, where: np.ndarray, light_width: float, colour_width: float) -> str:
    """How near each pixel is to the mean colour found at `where`: 1 is the same."""
    weights = np.round(where / where.sum(), STORED_DIGITS)[None, None]
    places = g.shrunk(image)
    mean = g("ReduceSum", g("Mul", places, weights), g.constant([2, 3], np.int64), keepdims=1)
    away = g("Sub", image, mean)
    light = luma(g, away)
    colour = g("Sub", away, light)
    far = g.total(
        g("Div", g("Mul", light, light), 2 * light_width**2),
        g("Div", g("ReduceSum", g("Mul", colour, colour), g.constant([1], np.int64), keepdims=1), 2 * colour_width**2),
    )
    return g("Exp", g("Neg", far))


def detail(g: Graph, image: str, skin: str, young: str, old: str) -> str:
    """The image as base + folds + texture; on skin the last two are weakened for the young, raised for the old."""
    texture_base = guided(g, image, 5, 0.0012)
    fold_base = guided(g, image, 15, 0.004)
    texture = g("Sub", image, texture_base)
    fold = g("Sub", texture_base, fold_base)
    texture_gain = g.total(1.0, g.product(skin, g.total(g.product(young, -0.95), g.product(old, 1.5))))
    fold_gain = g.total(1.0, g.product(skin, g.total(g.product(young, -0.45), g.product(old, 0.75))))
    return g.total(fold_base, g("Mul", fold, fold_gain), g("Mul", texture, texture_gain))


def guided(g: Graph, image: str, side: int, smoothness: float) -> str:
    """Guided filter by itself, its coefficients computed at a quarter of the size: flat areas blur, edges stay."""
    small = g.shrunk(image)
    mean = g.box(small, side)
    variance = g("Sub", g.box(g("Mul", small, small), side), g("Mul", mean, mean))
    slope = g("Div", variance, g("Add", variance, smoothness))
    offset = g("Sub", mean, g("Mul", slope, mean))
    slope, offset = (g.resized(g.box(part, side), SIZE, 3) for part in (slope, offset))
    return g("Add", g("Mul", slope, image), offset)


def folds(g: Graph, image: str, skin: str, old: str) -> str:
    return g("Mul", image, g.total(1.0, g.product(g.stored(fold_template(), SIZE), skin, old, 0.46)))


def tone(g: Graph, image: str, skin: str, young: str, old: str) -> str:
    light = luma(g, image)
    colour = g("Sub", image, light)
    random = np.random.default_rng(5)
    spots = random.normal(size=(96, 96)) + np.kron(random.normal(size=(32, 32)), np.ones((3, 3)))
    uneven = g("Mul", g.stored(np.clip(spots / 4, -1, 1), SIZE), 0.06)
    saturation = g.total(1.0, g.product(young, 0.16), g.product(skin, old, -0.30), g.product(old, -0.10))
    yellowing = [[[[0.012]], [[0.002]], [[-0.022]]]]
    shift = g.product(g.total(g.product(old, yellowing), g.product(young, [[[[0.030]], [[0.016]], [[0.018]]]])), skin)
    darker = g.total(1.0, g.product(skin, old, uneven), g.product(skin, old, -0.05))
    return g("Mul", g.total(light, g("Mul", colour, saturation), shift), darker)


def grey(g: Graph, image: str, hair: str, amount: str) -> str:
    light = luma(g, image)
    silver = g("Mul", g("Add", g("Mul", light, 0.92), 0.17), [[[[0.985]], [[0.99]], [[1.01]]]])
    weight = g.product(hair, amount)
    return g("Add", image, g("Mul", g("Sub", silver, image), weight))


def luma(g: Graph, image: str) -> str:
    weights = np.array([0.299, 0.587, 0.114]).reshape(1, 3, 1, 1)
    return g("ReduceSum", g("Mul", image, weights), g.constant([1], np.int64), keepdims=1)


def fold_template() -> np.ndarray:
    """TEMPLATE x TEMPLATE in -1..1: dark along each fold, light on the skin beside it."""
    y, x = pixel_grid(TEMPLATE)
    result = np.zeros_like(x)
    for points, width, depth in fold_lines():
        result += depth * crease(x, y, points, width)
    for eye_x, eye_y in EYES:
        result -= 0.45 * blob(x, y, eye_x, eye_y + 62, 58, 15)
        result += 0.22 * blob(x, y, eye_x, eye_y + 96, 62, 16)
    for side in (-1, 1):
        result -= 0.42 * blob(x, y, 512 + side * 205, 690, 45, 95)  # hollow cheeks
    return np.clip(result, -1, 1)


def fold_lines() -> Iterable[tuple[list[tuple[float, float]], float, float]]:
    """(points of the line, width in pixels, depth)."""
    for level, (height, depth) in enumerate(((300, 0.50), (338, 0.62), (374, 0.50))):
        steps = range(385, 641, 16)
        wave = [(x, height + 7 * np.sin(x / 55 + level * 1.7) + ((x - 512) / 150) ** 2 * 6) for x in steps]
        yield wave, 5.0, depth
    yield [(492, 405), (489, 430), (493, 452)], 4.5, 0.55
    yield [(533, 408), (536, 432), (531, 452)], 4.5, 0.50
    for side in (-1, 1):
        nose, corner = 512 + side * 78, 512 + side * 128
        yield [(nose, 615), (512 + side * 110, 645), (corner, 685), (512 + side * 142, 730)], 8.0, 0.85
        yield [(512 + side * 112, 782), (512 + side * 118, 815), (512 + side * 114, 850)], 7.0, 0.60
        outer = 512 + side * 188
        for spread, depth in ((-34, 0.42), (-6, 0.50), (22, 0.48), (46, 0.38)):
            ends = (0, 0.35), (30, 0.8), (62, 1.5)
            yield [(outer + side * away, 484 + spread * turn) for away, turn in ends], 4.5, depth
        eye = 512 + side * 123
        yield [(eye - 62, 520), (eye - 25, 540), (eye + 25, 542), (eye + 62, 522)], 5.5, 0.55
        yield [(eye - 52, 552), (eye, 572), (eye + 55, 552)], 6.0, 0.35


def crease(x: np.ndarray, y: np.ndarray, points: list[tuple[float, float]], width: float) -> np.ndarray:
    """A line through the points, fading at both ends."""
    fine = resampled(points, 48)
    nearest = np.full(x.shape, np.inf)
    along = np.zeros_like(x)
    above = np.zeros_like(x)
    for index, (px, py) in enumerate(fine):
        distance = np.hypot(x - px, y - py)
        closer = distance < nearest
        along[closer] = index / (len(fine) - 1)
        above[closer] = (y - py)[closer]
        nearest = np.minimum(nearest, distance)
    fade = np.sin(np.pi * np.clip(along * 0.9 + 0.05, 0, 1)) ** 0.7
    dark = np.exp(-0.5 * (nearest / width) ** 2)
    lit = np.exp(-0.5 * ((nearest - 2.4 * width) / (1.3 * width)) ** 2) * (above > 0)
    return fade * (0.38 * lit - dark)


def resampled(points: list[tuple[float, float]], count: int) -> np.ndarray:
    known = np.array(points, dtype=float)
    steps = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(known, axis=0).T))])
    at = np.linspace(0, steps[-1], count)
    return np.stack([np.interp(at, steps, known[:, axis]) for axis in (0, 1)], axis=1)


def pixel_grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    """(y, x) of the centres of side x side cells, in pixels of the full image."""
    centres = (np.arange(side) + 0.5) * SIZE / side - 0.5
    return tuple(np.meshgrid(centres, centres, indexing="ij"))  # type: ignore[return-value]


def blob(x: np.ndarray, y: np.ndarray, at_x: float, at_y: float, width: float, height: float) -> np.ndarray:
    return np.exp(-0.5 * (((x - at_x) / width) ** 2 + ((y - at_y) / height) ** 2))


if __name__ == "__main__":
    OUTPUT.write_bytes(build().SerializeToString(deterministic=True))
