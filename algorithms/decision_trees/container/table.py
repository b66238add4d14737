"""Tables of numbers with one column to predict: from CSV files or a request, in bounded memory.

Every objection names the file, the row as a spreadsheet numbers it (the header is row 1), the column and the cell.
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from job import Problem

LARGEST_INPUT_MB = float(os.environ.get("MAX_INPUT_MB", "512"))
# scikit-learn's trees compare 32-bit floats: a larger number would become infinite there.
LARGEST_NUMBER = float(np.finfo(np.float32).max)
ROWS_AT_ONCE = 10_000
NAMES_SHOWN = 20
# As many as a spreadsheet has; more is most often a table that lies on its side.
MOST_COLUMNS = 16_384

Record = tuple[int, list[str]]


@dataclass(frozen=True, slots=True)
class Table:
    """`numbers` is rows x columns, one column for each of `names`; `labels` has what each row has in the target."""

    names: tuple[str, ...]
    numbers: np.ndarray
    labels: np.ndarray

    def rows(self, chosen: np.ndarray) -> Table:
        return Table(self.names, self.numbers[chosen], self.labels[chosen])

    def columns(self, names: Sequence[str]) -> np.ndarray:
        """Returns the numbers of these columns, in this order. KeyError for one that is not there."""
        positions = _positions(self.names)
        return self.numbers[:, [positions[name] for name in names]]


@dataclass(frozen=True, slots=True)
class Layout:
    """Which cells of a record are read: the number columns by name and position, and the position of the label."""

    names: tuple[str, ...]
    positions: tuple[int, ...]
    width: int
    label: int | None = None


def find(folder: Path) -> list[Path]:
    """The CSV files under `folder`, sorted. Problem: none, or more of them than MAX_INPUT_MB allows."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    tables = [path for path in files if path.suffix.lower() == ".csv"]
    if not tables:
        found = _listed([path.name for path in files]) if files else "nothing"
        raise Problem(f"The dataset holds no CSV file (a name that ends in .csv): found {found}.")
    size = sum(path.stat().st_size for path in tables) / 1e6
    if size > LARGEST_INPUT_MB:
        raise Problem(
            f"The dataset has {size:.1f} MB of CSV; the limit is {LARGEST_INPUT_MB:g} MB. Send fewer rows, or raise "
            "the limit with the environment variable MAX_INPUT_MB on a machine with the memory for it."
        )
    return tables


def read(paths: Sequence[Path], target: str, ignored: Iterable[str] = ()) -> Table:
    """All rows of all files as one table. The files need the same columns, in any order."""
    parts = [_read_file(path, target, frozenset(ignored)) for path in paths]
    first = parts[0]
    for path, part in zip(paths, parts, strict=True):
        if set(part.names) != set(first.names):
            raise Problem(
                f"The files of the dataset have different columns: {paths[0].name} has {_listed(first.names)}; "
                f"{path.name} has {_listed(part.names)}."
            )
    numbers = [part.columns(first.names) for part in parts]
    return Table(first.names, np.concatenate(numbers), np.concatenate([part.labels for part in parts]))


def split(table: Table, fraction: float, seed: int) -> tuple[Table, Table]:
    """The table as (train, test), the same way each time for one seed.

    Each class gives its share of rows to both sides; a class of a single row stays in train.
    """
    random = np.random.default_rng(seed)
    held_out = np.zeros(len(table.labels), dtype=bool)
    for label in np.unique(table.labels):
        rows = random.permutation(np.flatnonzero(table.labels == label))
        if len(rows) > 1:
            held_out[rows[: min(max(1, round(len(rows) * fraction)), len(rows) - 1)]] = True
    return table.rows(~held_out), table.rows(held_out)


def write(table: Table, path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*table.names, target])
        for start in range(0, len(table.labels), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            cells = zip(table.numbers[rows].tolist(), table.labels[rows].tolist(), strict=True)
            writer.writerows([*numbers, label] for numbers, label in cells)


def write_sample(features: Sequence[str], numbers: np.ndarray, path: Path) -> None:
    """One request that a model of these features answers: what is asked of it before it is deployed."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([features, *numbers[:1].tolist()])


def read_request(body: bytes | str, features: Sequence[str]) -> np.ndarray:
    """The numbers in a request body, rows x features.

    With a header the columns are taken by name, in any order, and others are left out. Without one the cells must be
    the features in their order.
    """
    content = body.encode() if isinstance(body, str) else body
    if not content.strip():
        raise Problem("The request is empty: send CSV rows with the columns " + _listed(features) + ".")
    records = _records(_lines(content.splitlines(keepends=True), "The request"), "The request")
    number, cells = next(records)
    header = [cell.strip() for cell in cells]
    if _is_header(header, features):
        layout = _request_layout(header, features)
        pending: list[Record] = []
    else:
        layout = Layout(tuple(features), tuple(range(len(features))), len(features))
        pending = [(number, cells)]
    parts = []
    while batch := pending + list(islice(records, ROWS_AT_ONCE)):
        parts.append(_numbers(batch, layout, "The request"))
        pending = []
    if not parts:
        raise Problem("The request has a header but no rows.")
    return np.concatenate(parts)


def _read_file(path: Path, target: str, ignored: frozenset[str]) -> Table:
    if path.stat().st_size == 0:
        raise Problem(f"{path.name} is empty (0 bytes).")
    with path.open("rb") as file:
        records = _records(_lines(file, path.name), path.name)
        _, header = next(records, (0, []))
        if not header:
            raise Problem(f"{path.name} has only blank lines: there is no header.")
        layout = _file_layout([name.strip() for name in header], path.name, target, ignored)
        numbers: list[np.ndarray] = []
        labels: list[str] = []
        names: dict[str, str] = {}  # one string object a class, not one a row
        while batch := list(islice(records, ROWS_AT_ONCE)):
            numbers.append(_numbers(batch, layout, path.name))
            labels.extend(names.setdefault(label, label) for label in _labels(batch, layout, path.name, target))
    if not labels:
        raise Problem(f"{path.name} has a header but no rows.")
    return Table(layout.names, np.concatenate(numbers), np.array(labels, dtype=object))


def _lines(lines: Iterable[bytes], source: str) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise Problem(
                f"{source} is not UTF-8 text (byte 0x{line[error.start]:02x} in line {number}): save it as CSV UTF-8."
            ) from error


def _records(lines: Iterable[str], source: str) -> Iterator[Record]:
    """Each record that is not blank, under its number in a spreadsheet (blank ones count)."""
    reader = csv.reader(lines, strict=True)
    number = 0
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise Problem(f"{source}, row {number} cannot be read as CSV: {error}.") from error
        if any(cell and not cell.isspace() for cell in cells):
            yield number, cells


def _file_layout(header: list[str], source: str, target: str, ignored: frozenset[str]) -> Layout:
    _check_header(header, source)
    if target not in header:
        raise Problem(f'{source} has no column "{target}": found {_listed(header)}.{_header_hint(header)}')
    chosen = [(name, i) for i, name in enumerate(header) if name != target and name not in ignored]
    if not chosen:
        raise Problem(f'{source} has no column of numbers to learn from beside "{target}": found {_listed(header)}.')
    return Layout(tuple(n for n, _ in chosen), tuple(i for _, i in chosen), len(header), header.index(target))


def _positions(names: Sequence[str]) -> dict[str, int]:
    return {name: position for position, name in enumerate(names)}


def _check_width(header: Sequence[str], source: str) -> None:
    if len(header) > MOST_COLUMNS:
        raise Problem(f"{source} has {len(header):,} columns; the limit is {MOST_COLUMNS:,}.")


def _check_header(header: list[str], source: str) -> None:
    _check_width(header, source)
    seen: dict[str, int] = {}
    for position, name in enumerate(header, 1):
        if not name:
            raise Problem(f"{source}: column {position} has no name in the header.")
        if name in seen:
            raise Problem(f'{source}: the column "{name}" is there twice (columns {seen[name]} and {position}).')
        seen[name] = position


def _header_hint(header: list[str]) -> str:
    if all(_objection(name) is None for name in header):
        return " The first row holds numbers only: is the header missing?"
    for mark, word in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and mark in header[0]:
            return f" The cells are separated by {word}; they should be separated by commas."
    return ""


def _is_header(cells: list[str], features: Sequence[str]) -> bool:
    if set(features) <= set(cells):
        return True
    numeric = [_objection(cell) is None for cell in cells]
    return not all(numeric) and (bool(set(features) & set(cells)) or not any(numeric))


def _request_layout(header: list[str], features: Sequence[str]) -> Layout:
    _check_width(header, "The request")
    positions = _positions(header)
    missing = [name for name in features if name not in positions]
    if missing:
        word = "columns" if len(missing) > 1 else "column"
        raise Problem(f"The request lacks the {word} {_listed(missing)}: its header has {_listed(header)}.")
    counts = Counter(header)
    for name in features:
        if counts[name] > 1:
            raise Problem(f'The request has the column "{name}" twice.')
    return Layout(tuple(features), tuple(positions[name] for name in features), len(header))


def _numbers(batch: list[Record], layout: Layout, source: str) -> np.ndarray:
    for number, cells in batch:
        if len(cells) != layout.width:
            raise Problem(f"{source}, row {number} has {_counted(len(cells))}; {layout.width} are expected.")
    numbers = np.empty((len(batch), len(layout.positions)))
    try:
        for column, position in enumerate(layout.positions):
            numbers[:, column] = [float(cells[position]) for _, cells in batch]
    except ValueError as error:
        raise _first_objection(batch, layout, source) from error
    if not (np.abs(numbers) <= LARGEST_NUMBER).all():  # false for NaN as well
        raise _first_objection(batch, layout, source)
    return numbers


def _first_objection(batch: list[Record], layout: Layout, source: str) -> Problem:
    for number, cells in batch:
        for name, position in zip(layout.names, layout.positions, strict=True):
            if objection := _objection(cells[position]):
                return Problem(f"{source}, row {number}, column {name}: {objection}.")
    raise AssertionError("a batch that was refused has an objection")


def _objection(cell: str) -> str | None:
    shown = cell if len(cell) <= 40 else cell[:37] + "..."
    if not cell.strip():
        return "the cell is empty, a number is needed"
    try:
        value = float(cell)
    except ValueError:
        return f'"{shown}" is not a number'
    if value != value or value in (float("inf"), float("-inf")):
        return f'"{shown}" is not a finite number'
    return f'"{shown}" is too large (the limit is 3.4e38)' if abs(value) > LARGEST_NUMBER else None


def _labels(batch: list[Record], layout: Layout, source: str, target: str) -> Iterator[str]:
    assert layout.label is not None
    for number, cells in batch:
        label = cells[layout.label].strip()
        if not label:
            raise Problem(f"{source}, row {number}, column {target}: the cell is empty, a class name is needed.")
        yield label


def _counted(cells: int) -> str:
    return "1 cell" if cells == 1 else f"{cells} cells"


def _listed(names: Sequence[str]) -> str:
    shown = [name if len(name) <= 60 else name[:57] + "..." for name in names[:NAMES_SHOWN]]
    more = len(names) - NAMES_SHOWN
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
