"""Opinions as tuples of words: read from files, written as the text a model learns to say, and read back from it.

A file has a sentence a line, as Generative-ABSA's: `sentence####[('aspect', 'category', 'sentiment'), ...]`.
"""

import ast
import re
from pathlib import Path

SEPARATOR = "####"
LARGEST_FILE_MB = 64
LONGEST_SENTENCE = 2000
SENTIMENTS = ("positive", "negative", "neutral")
PARTS = {
    "uabsa": ("aspect", "sentiment"),
    "aope": ("aspect", "opinion"),
    "aste": ("aspect", "opinion", "sentiment"),
    "tasd": ("aspect", "category", "sentiment"),
}
"""What a tuple of each task consists of."""

_WRITTEN = re.compile(r"\(([^()]*)\)")
_ABBREVIATED = {"pos": "positive", "neg": "negative", "neu": "neutral"}
_UNSAFE = str.maketrans("();,", "    ")


class Example:
    """A sentence and the tuples of words that are in it."""

    def __init__(self, sentence: str, found: tuple) -> None:
        self.sentence = sentence
        self.found = found


def read(path: Path, task: str) -> list:
    """The examples of a file. Raises ValueError with the file's name and the line's number."""
    if path.stat().st_size > LARGEST_FILE_MB * 1_000_000:
        raise ValueError(f"{path.name} has more than {LARGEST_FILE_MB} MB.")
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not UTF-8 text.") from error
    return [_example(line, f"{path.name}, line {number}", task) for number, line in enumerate(lines, 1) if line.strip()]


def _example(line: str, where: str, task: str) -> Example:
    sentence, separator, labels = line.partition(SEPARATOR)
    sentence = " ".join(sentence.split())
    if not separator or not sentence or len(sentence) > LONGEST_SENTENCE:
        raise ValueError(
            f"{where}: expected a sentence of at most {LONGEST_SENTENCE} characters, {SEPARATOR} and a list of tuples."
        )
    try:
        listed = ast.literal_eval(labels.strip())
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ValueError(f"{where}: what follows {SEPARATOR} is not a list of tuples.") from error
    if not isinstance(listed, list):
        raise ValueError(f"{where}: what follows {SEPARATOR} is not a list of tuples.")
    return Example(sentence, tuple(_checked(found, where, task) for found in listed))


def _checked(found, where: str, task: str) -> tuple:
    parts = PARTS[task]
    words = isinstance(found, (list, tuple)) and all(isinstance(part, str) and part.strip() for part in found)
    if not words or len(found) != len(parts):
        raise ValueError(f"{where}: expected tuples of {len(parts)} texts ({', '.join(parts)}), found {found!r}.")
    clean = [_plain(part) for part in found]
    if parts[-1] == "sentiment":
        clean[-1] = _ABBREVIATED.get(clean[-1].lower(), clean[-1].lower())
        if clean[-1] not in SENTIMENTS:
            raise ValueError(f"{where}: expected one of {', '.join(SENTIMENTS)}, found {clean[-1]!r}.")
    return tuple(clean)


def _plain(text: str) -> str:
    """Without the characters that separate tuples and their parts."""
    return " ".join(text.translate(_UNSAFE).split())


def written(found: tuple) -> str:
    """The text that stands for the tuples: `(pasta, food quality, positive); (waiter, service general, negative)`."""
    return "; ".join(f"({', '.join(parts)})" for parts in found) or "none"


def said(text: str, sentence: str, task: str) -> tuple:
    """The tuples in a text that a model wrote, without those that are not whole; each once, in their order."""
    parts = PARTS[task]
    found = []
    for inside in _WRITTEN.findall(text):
        words = [" ".join(word.split()) for word in inside.split(",")]
        if len(words) != len(parts) or not all(words):
            continue
        if parts[-1] == "sentiment" and words[-1].lower() not in SENTIMENTS:
            continue
        words = [word.lower() if name == "sentiment" else _as_in(sentence, word) for name, word in _named(parts, words)]
        if tuple(words) not in found:
            found.append(tuple(words))
    return tuple(found)


def _named(parts: tuple, words: list):
    return [(parts[index], word) for index, word in enumerate(words)]


def _as_in(sentence: str, words: str) -> str:
    """The words as the sentence spells them, if it has them; NULL is an aspect that is not named."""
    if words.lower() == "null":
        return "NULL"
    spelt = re.search(r"\b" + re.escape(words) + r"\b", sentence, re.IGNORECASE)
    return spelt.group() if spelt else words


def named(found: tuple, task: str) -> list:
    """The tuples as objects, for an answer."""
    return [dict(_named(PARTS[task], list(words))) for words in found]


def scores(truth: list, predicted: list) -> dict:
    """Precision, recall and F1 of whole tuples over all sentences; a tuple counts when each of its parts is right."""
    right = given = wanted = 0
    for index, expected in enumerate(truth):
        ours, theirs = _folded(predicted[index]), _folded(expected)
        right, given, wanted = right + len(ours & theirs), given + len(ours), wanted + len(theirs)
    precision = right / given if given else 0.0
    recall = right / wanted if wanted else 0.0
    f1 = 2 * precision * recall / (precision + recall) if right else 0.0
    return {"f1": f1, "precision": precision, "recall": recall, "sentences": float(len(truth))}


def _folded(found: tuple) -> set:
    return {tuple(word.lower() for word in words) for words in found}
