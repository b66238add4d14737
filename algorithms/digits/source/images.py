"""Small square images as rows of CSV: one column `digit`, and one column for the brightness of each pixel.

`process` splits them, `train` and `evaluate` read them. Objections name the file and the row as a
spreadsheet numbers it.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from job import Problem

LABEL = "digit"
DIGITS = 10
FEWEST_ROWS = 20


@dataclass(frozen=True, slots=True)
class Images:
    """`pixels` is images x pixels, as they were sent; `digits` has the digit of each image."""

    names: tuple[str, ...]
    pixels: np.ndarray
    digits: np.ndarray

    def rows(self, chosen: np.ndarray) -> Images:
        return Images(self.names, self.pixels[chosen], self.digits[chosen])


def read(folder: Path) -> Images:
    """The images of all CSV files under `folder`, which need the same columns in the same order."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix.lower() == ".csv")
    if not files:
        raise Problem("The dataset holds no CSV file (a name that ends in .csv).")
    parts = [_read_file(path) for path in files]
    for path, part in zip(files, parts, strict=True):
        if part.names != parts[0].names:
            raise Problem(f"{path.name} has other columns than {files[0].name}.")
    whole = Images(
        parts[0].names,
        np.concatenate([part.pixels for part in parts]),
        np.concatenate([part.digits for part in parts]),
    )
    if len(whole.digits) < FEWEST_ROWS:
        raise Problem(f"The dataset has too few rows: {len(whole.digits)}; at least {FEWEST_ROWS} are needed.")
    return whole


def write(images: Images, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([LABEL, *images.names])
        for digit, pixels in zip(images.digits.tolist(), images.pixels.tolist(), strict=True):
            writer.writerow([digit, *(f"{pixel:g}" for pixel in pixels)])


def split(images: Images, fraction: float, seed: int) -> tuple[Images, Images]:
    """(train, test), the same way each time for one seed; each digit gives its share of rows to both."""
    random = np.random.default_rng(seed)
    held_out = np.zeros(len(images.digits), dtype=bool)
    for digit in np.unique(images.digits):
        rows = random.permutation(np.flatnonzero(images.digits == digit))
        if len(rows) > 1:
            held_out[rows[: min(max(1, round(len(rows) * fraction)), len(rows) - 1)]] = True
    return images.rows(~held_out), images.rows(held_out)


def _read_file(path: Path) -> Images:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            records = [record for record in csv.reader(file, strict=True) if record]
    except (UnicodeDecodeError, csv.Error) as error:
        raise Problem(f"{path.name} cannot be read as CSV in UTF-8: {error}.") from error
    if len(records) < 2:
        raise Problem(f"{path.name} has no rows below a header.")
    header = [name.strip() for name in records[0]]
    names = _pixel_names(header, path.name)
    numbers = _numbers(records[1:], len(header), path.name)
    column = header.index(LABEL)
    digits = numbers[:, column]
    wrong = np.flatnonzero((digits != np.floor(digits)) | (digits < 0) | (digits >= DIGITS))
    if len(wrong):
        raise Problem(f"{path.name}, row {wrong[0] + 2}: {digits[wrong[0]]:g} is no digit from 0 to 9.")
    return Images(names, np.delete(numbers, column, axis=1), digits.astype("int64"))


def _pixel_names(header: Sequence[str], source: str) -> tuple[str, ...]:
    if header.count(LABEL) != 1:
        raise Problem(f'{source} needs exactly one column "{LABEL}": found {header.count(LABEL)}.')
    names = tuple(name for name in header if name != LABEL)
    side = math.isqrt(len(names))
    if not names or side * side != len(names):
        raise Problem(f"{source} has {len(names)} pixels a row, which is no square image.")
    return names


def _numbers(records: Sequence[Sequence[str]], width: int, source: str) -> np.ndarray:
    for number, record in enumerate(records, 2):
        if len(record) != width:
            raise Problem(f"{source}, row {number} has {len(record)} cells; {width} are expected.")
    try:
        numbers = np.array(records, dtype="float64")
    except ValueError:
        number, cell = next(
            (number, cell) for number, record in enumerate(records, 2) for cell in record if not _is_number(cell)
        )
        raise Problem(f'{source}, row {number}: "{cell[:40]}" is not a number.') from None
    if not np.isfinite(numbers).all():
        raise Problem(f"{source}, row {int(np.argwhere(~np.isfinite(numbers))[0][0]) + 2} has a number without end.")
    return numbers


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
