"""One image -> its annotations: size, light, sharpness, dominant colours and the regions that stand out.

This is the annotator to replace: `annotate(content)` takes a file's bytes and answers anything that JSON can hold.
`wsgi.py` serves it, `predict.py` runs it over files.
"""

import io
from typing import Any

import decoding
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
MAX_PIXELS = 100_000_000
WORKING_SIDE = 256
"""Colours and regions are looked for in a copy of at most this many pixels a side."""
COLOURS = 5
SMALLEST_COLOUR = 0.01
"""Share of the image below which a colour is the edge between two others."""
MAX_REGIONS = 20
SMALLEST_REGION = 0.001
"""Share of the image below which a region is noise."""

Mask = NDArray[np.bool_]
Run = tuple[int, int, int]
"""Row, first column and the column after the last one of neighbouring pixels that are set."""


class Unreadable(Exception):
    """The bytes are no image that can be annotated; the text says why."""


def annotate(content: bytes) -> dict[str, Any]:
    """The annotations of one image file. Boxes are [left, top, width, height] in pixels of the upright image."""
    image, kind = _decode(content)
    small = image.copy()
    small.thumbnail((WORKING_SIDE, WORKING_SIDE))
    grey = np.asarray(small.convert("L"), dtype=np.float64)
    return {
        "format": kind,
        "width": image.width,
        "height": image.height,
        "brightness": round(float(grey.mean()) / 255, 4),
        "contrast": round(float(grey.std()) / 255, 4),
        "sharpness": round(_sharpness(image), 2),
        "colours": _colours(small),
        "regions": _regions(grey, image.width / small.width, image.height / small.height),
    }


def _decode(content: bytes) -> tuple[Image.Image, str]:
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise Unreadable(
                    f"The image has {opened.width} x {opened.height} pixels; at most {MAX_PIXELS} are read."
                )
            kind = str(opened.format).lower()
            return decoding.upright(opened), kind
    except UnidentifiedImageError as error:
        raise Unreadable(f"The content is no image of the kinds {', '.join(FORMATS)}.") from error
    # Pillow's readers raise all of these for files that are cut off or damaged.
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise Unreadable(f"The image cannot be read: {error}.") from error


def _sharpness(image: Image.Image) -> float:
    """Variance of the Laplacian: low where nothing in the image has an edge."""
    grey = np.asarray(image.convert("L"), dtype=np.float32)
    if min(grey.shape) < 3:
        return 0.0
    inner = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner
    return float(laplacian.var())


def _colours(image: Image.Image) -> list[dict[str, Any]]:
    """The most common colours of an octree, the commonest first."""
    reduced = image.quantize(COLOURS, method=Image.Quantize.FASTOCTREE)
    palette = reduced.getpalette() or []
    counted = sorted(reduced.getcolors() or [], reverse=True)
    pixels = image.width * image.height
    return [
        {"colour": "#" + bytes(palette[3 * index : 3 * index + 3]).hex(), "share": round(count / pixels, 4)}
        for count, index in counted
        if count >= SMALLEST_COLOUR * pixels
    ]


def _regions(grey: NDArray[np.float64], across: float, down: float) -> list[dict[str, Any]]:
    """What the threshold sets apart from the rest, the largest first."""
    threshold = _threshold(grey)
    if threshold is None:
        return []
    bright = grey > threshold
    label = "bright" if bright.mean() <= 0.5 else "dark"
    found = sorted(_connected(bright if label == "bright" else ~bright), key=_area, reverse=True)
    large = [runs for runs in found if _area(runs) >= SMALLEST_REGION * grey.size]
    return [_region(runs, label, grey.size, across, down) for runs in large[:MAX_REGIONS]]


def _threshold(grey: NDArray[np.float64]) -> float | None:
    """Otsu's threshold: it parts the grey values into two groups that differ most. None for a single grey value."""
    counts = np.bincount(grey.astype(np.uint8).ravel(), minlength=256).astype(np.float64)
    if np.count_nonzero(counts) < 2:
        return None
    values = np.arange(256)
    below, total = counts.cumsum(), counts.sum()
    sums = (counts * values).cumsum()
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (sums[-1] * below - sums * total) ** 2 / (below * (total - below))
    return float(np.nanargmax(np.where(np.isfinite(between), between, -1.0)))


def _connected(mask: Mask) -> list[list[Run]]:
    """The connected parts of a mask, each as its runs; pixels are neighbours across edges, not across corners."""
    parts: dict[int, list[Run]] = {}
    part_of: dict[Run, int] = {}
    above: list[Run] = []
    for row in range(mask.shape[0]):
        here = _runs(mask, row)
        for run in here:
            touching = {part_of[other] for other in above if other[1] < run[2] and run[1] < other[2]}
            target = min(touching, default=len(part_of))
            members = [run, *(member for part in touching for member in parts.pop(part))]
            parts[target] = members
            part_of.update(dict.fromkeys(members, target))
        above = here
    return list(parts.values())


def _runs(mask: Mask, row: int) -> list[Run]:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask[row], [False])).astype(np.int8)))
    return [(row, int(first), int(end)) for first, end in zip(edges[::2], edges[1::2], strict=True)]


def _area(runs: list[Run]) -> int:
    return sum(end - first for _, first, end in runs)


def _region(runs: list[Run], label: str, pixels: int, across: float, down: float) -> dict[str, Any]:
    top, bottom = min(run[0] for run in runs), max(run[0] for run in runs) + 1
    left, right = min(run[1] for run in runs), max(run[2] for run in runs)
    box = [round(left * across), round(top * down), round((right - left) * across), round((bottom - top) * down)]
    return {"label": label, "box": box, "share": round(_area(runs) / pixels, 4)}
