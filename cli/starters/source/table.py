"""CSV files with a header, numbers and one column of class names, as arrays."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

MOST_COLUMNS = 16_384


@dataclass(frozen=True)
class Table:
    """`numbers` is rows x columns, one column for each of `names`; `labels` holds a class name for each row."""

    names: list
    numbers: np.ndarray
    labels: np.ndarray


def read(folder, target, ignore=""):
    """Every CSV file below a folder as one table. Raises ValueError that names the file, the row and the column."""
    files = sorted(Path(folder).rglob("*.csv"))
    if not files:
        raise ValueError(f"{folder}: expected CSV files, found none")
    left_out = {name.strip() for name in ignore.split(",")}
    parts = [_read(file, target, left_out) for file in files]
    for file, part in zip(files, parts):
        if part.names != parts[0].names:
            raise ValueError(f"{file.name}: expected the columns {parts[0].names}, found {part.names}")
    return Table(
        parts[0].names,
        np.concatenate([part.numbers for part in parts]),
        np.concatenate([part.labels for part in parts]),
    )


def _read(file, target, left_out):
    with file.open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    _check_width(list(rows[0]) if rows else [], file.name)
    if not rows or target not in rows[0]:
        raise ValueError(
            f"{file.name}: expected rows with a column {target!r}, found {list(rows[0]) if rows else 'no rows'}"
        )
    names = [name for name in rows[0] if name != target and name not in left_out]
    numbers = [_numbers(row, names, f"{file.name}, row {number}") for number, row in enumerate(rows, 2)]
    return Table(names, np.array(numbers, dtype="float32"), np.array([row[target] for row in rows]))


def _check_width(header, where):
    if len(header) > MOST_COLUMNS:
        raise ValueError(f"{where}: expected at most {MOST_COLUMNS:,} columns, found {len(header):,}")


def _numbers(row, names, where):
    for name in names:
        try:
            float(row[name])
        except (TypeError, ValueError):
            raise ValueError(f"{where}, column {name}: expected a number, found {row[name]!r}") from None
    return [float(row[name]) for name in names]


def write(table, target, file):
    """One CSV file with a header, for the next step."""
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    with Path(file).open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow([*table.names, target])
        writer.writerows([*row, label] for row, label in zip(table.numbers.tolist(), table.labels.tolist()))


def request(body, names):
    """The rows of a request: CSV with or without a header, columns in the order of `names` where there is none."""
    text = body.decode("utf-8-sig") if isinstance(body, (bytes, bytearray)) else str(body)
    rows = [row for row in csv.reader(io.StringIO(text)) if row]
    if not rows:
        raise ValueError(f"expected CSV rows with the columns {names}, found nothing")
    _check_width(rows[0], "the request")
    positions = {cell.strip(): at for at, cell in reversed(list(enumerate(rows[0])))}
    order = range(len(names))
    if set(names) <= set(positions):
        rows, order = rows[1:], [positions[name] for name in names]
    table = []
    for number, row in enumerate(rows, 1):
        cells = {name: row[at] if at < len(row) else None for name, at in zip(names, order)}
        table.append(_numbers(cells, names, f"row {number}"))
    return np.array(table, dtype="float32").reshape(len(rows), len(names))
