"""Draws the samples: words.zip to learn from, and held-out images. `python make_samples.py` with Pillow 10.1 or later.

The font is the one that Pillow carries for `ImageFont.load_default(size)`: Aileron Regular, by Sora Sagano, CC0 1.0.
"""

import io
import random
import string
import zipfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter, ImageFont

HERE = Path(__file__).parent
WORDS = 700
LETTERS = string.digits + string.ascii_uppercase
# A fixed time, so that the archive is the same bytes each time.
WHEN = (1980, 1, 1, 0, 0, 0)


def main() -> None:
    draw = random.Random(7)
    labels = []
    with zipfile.ZipFile(HERE / "words.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(WORDS):
            name, text = f"images/{number:04}.png", word(draw)
            archive.writestr(zipfile.ZipInfo(name, WHEN), png(image_of(text, draw)))
            labels.append(f"{name}\t{text}\n")
        archive.writestr(zipfile.ZipInfo("labels.txt", WHEN), "".join(labels))
    for text in ("H7K204", "2026"):
        (HERE / f"{text}.png").write_bytes(png(image_of(text, draw)))
    page = Image.new("L", (220, 90), 245)
    page.paste(image_of("ROOM 31", draw, size=26, ink=30, paper=245), (12, 6))
    page.paste(image_of("BLOCK E5", draw, size=26, ink=30, paper=245), (40, 46))
    (HERE / "page.png").write_bytes(png(page))


def word(draw: random.Random) -> str:
    """Three to seven letters and digits, sometimes with a space among them."""
    text = "".join(draw.choice(LETTERS) for _ in range(draw.randint(3, 7)))
    if len(text) > 4 and draw.random() < 0.3:
        text = text[:2] + " " + text[3:]
    return text


def image_of(text: str, draw: random.Random, size: int = 0, ink: int = -1, paper: int = -1) -> Image.Image:
    font = ImageFont.load_default(size or draw.randint(18, 32))
    ink = ink if ink >= 0 else draw.randint(0, 90)
    paper = paper if paper >= 0 else draw.randint(190, 255)
    left, top, right, bottom = font.getbbox(text)
    margin = draw.randint(2, 5)
    image = Image.new("L", (int(right - left) + 2 * margin, int(bottom - top) + 2 * margin), paper)
    ImageDraw.Draw(image).text((margin - left, margin - top), text, fill=ink, font=font)
    image = image.rotate(draw.uniform(-2, 2), Image.Resampling.BILINEAR, fillcolor=paper)
    return image.filter(ImageFilter.GaussianBlur(draw.uniform(0, 0.8)))


def png(image: Image.Image) -> bytes:
    sink = io.BytesIO()
    image.save(sink, "PNG", optimize=True)
    return sink.getvalue()


if __name__ == "__main__":
    main()
