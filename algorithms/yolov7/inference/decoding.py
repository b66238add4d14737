"""From an opened picture to what a person sees: upright, RGB of eight bits a channel, white where it is transparent.

Needs nothing but Pillow, of any version that containers have. Colours are taken as they are stored: a profile (ICC) is
not applied.
"""

from __future__ import annotations

import struct

from PIL import Image, ImageChops, ImageOps

_ORIENTATION = 0x0112
_BROKEN = (OSError, ValueError, SyntaxError, EOFError, TypeError, IndexError, KeyError, struct.error)
"""What Pillow raises for EXIF data that is none."""
_WITH_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")


def orientation(image: Image.Image) -> int:
    """Returns how the picture is stored by its EXIF data, from 1 (upright) to 8. Broken data says nothing of it."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except _BROKEN:
        return 1
    return value if value in range(1, 9) else 1


def upright(image: Image.Image) -> Image.Image:
    """Decodes the picture. Raises what Pillow raises for a damaged one."""
    image.load()
    turned = image if orientation(image) == 1 else ImageOps.exif_transpose(image)
    if turned.mode.startswith("I"):
        # Before any look at transparency: Pillow's own conversion cuts every grey off at 255, which is white.
        return _eight_bits(turned)
    transparent = turned.mode in _WITH_ALPHA or "transparency" in turned.info
    return _on_white(turned) if transparent else turned.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Keeps the upper byte of each grey; the one value that a PNG may call transparent becomes white."""
    deep = image.convert("I").convert("I;16").tobytes()
    upper, lower = (Image.frombytes("L", image.size, deep[place::2]) for place in (1, 0))
    grey = upper.copy()
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        matches = [_where(upper, transparent >> 8), _where(lower, transparent & 255)]
        grey.paste(255, mask=ImageChops.darker(*matches))
    return grey.convert("RGB")


def _where(channel: Image.Image, value: int) -> Image.Image:
    """Returns a mask of the pixels that have the value."""
    return channel.point([255 if level == value else 0 for level in range(256)])


def _on_white(image: Image.Image) -> Image.Image:
    layer = image.convert("RGBA")
    white = Image.new("RGB", layer.size, "white")
    white.paste(layer, mask=layer.getchannel("A"))
    return white
