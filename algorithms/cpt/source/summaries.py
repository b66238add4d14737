"""Texts and their summaries: read from JSON or CSV files, and compared with what a model wrote."""

import csv
import io
import json
from pathlib import Path

LARGEST_FILE_MB = 512


class Example:
    """A text and the summary that a person wrote."""

    def __init__(self, text: str, summary: str) -> None:
        self.text = text
        self.summary = summary


def read(path: Path, kind: str, text_column: str, summary_column: str) -> list:
    """The examples of a file of `kind` json (objects a line, or one list of them) or csv (with a header).

    Raises ValueError with the file's name and the row's number.
    """
    if path.stat().st_size > LARGEST_FILE_MB * 1_000_000:
        raise ValueError(f"{path.name} has more than {LARGEST_FILE_MB} MB.")
    try:
        content = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not UTF-8 text.") from error
    rows = _csv_rows(content) if kind == "csv" else _json_rows(content, path.name)
    return [_example(row, f"{path.name}, row {number}", text_column, summary_column) for number, row in rows]


def _csv_rows(content: str):
    return enumerate(csv.DictReader(io.StringIO(content, newline="")), 1)


def _json_rows(content: str, name: str):
    try:
        if content.lstrip().startswith("["):
            return enumerate(json.loads(content), 1)
        return [(number, json.loads(line)) for number, line in enumerate(content.splitlines(), 1) if line.strip()]
    except ValueError as error:
        raise ValueError(f"{name} is neither a JSON list nor a JSON object a line: {error}.") from error


def _example(row, where: str, text_column: str, summary_column: str) -> Example:
    if not isinstance(row, dict):
        raise ValueError(f"{where}: expected an object with {text_column} and {summary_column}.")
    for column in (text_column, summary_column):
        if not isinstance(row.get(column), str) or not row[column].strip():
            names = ", ".join(str(name) for name in row)
            raise ValueError(f"{where}: expected text in the column {column}, found nothing; the columns are {names}.")
    return Example(" ".join(row[text_column].split()), " ".join(row[summary_column].split()))


def plain(text: str) -> str:
    """A summary without the spaces that a tokenizer of Chinese puts between characters; words keep theirs."""
    pieces = text.split()
    written = pieces[0] if pieces else ""
    for piece in pieces[1:]:
        together = _is_wide(written[-1]) or _is_wide(piece[0])
        written += piece if together else f" {piece}"
    return written


def _is_wide(character: str) -> bool:
    return ord(character) >= 0x2E80


def scores(wanted: list, written: list) -> dict:
    """The mean ROUGE-L (F1 of the longest common subsequence) of summaries, by characters."""
    found = [rouge_l(summary, written[index]) for index, summary in enumerate(wanted)]
    return {"rouge_l": sum(found) / len(found) if found else 0.0, "rows": float(len(found))}


def rouge_l(wanted: str, written: str) -> float:
    ours, theirs = _characters(written), _characters(wanted)
    common = _longest_common(ours, theirs)
    return 2 * common / (len(ours) + len(theirs)) if common else 0.0


def _characters(text: str) -> str:
    return "".join(text.lower().split())


def _longest_common(one: str, other: str) -> int:
    row = [0] * (len(other) + 1)
    for character in one:
        diagonal = 0
        for place, there in enumerate(other, 1):
            above = row[place]
            row[place] = diagonal + 1 if character == there else max(above, row[place - 1])
            diagonal = above
    return row[-1]
