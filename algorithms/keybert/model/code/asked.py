"""A request for keywords, read and checked: what is asked of which texts. The image's Python is 3.8."""

import json
from typing import NamedTuple

MOST_TEXTS = 32
LONGEST_TEXT = 20_000
MOST_KEYWORDS = 50
LONGEST_KEYWORD = 5


class Problem(ValueError):
    """Something the caller can correct. Its text is one sentence or two."""

    status_code = 400


class Asked(NamedTuple):
    """The texts, and KeyBERT's own words for how keywords are chosen."""

    texts: list
    top_n: int = 5
    words: int = 1
    diversity: float = 0.0


def read(body, content_type) -> Asked:
    """The request in a body: a plain text, or `{"text": ..., "top_n": 5, "words": 2, "diversity": 0.5}`."""
    text = body if isinstance(body, str) else body.decode("utf-8", "replace")
    sent = (content_type or "").split(";")[0].strip().lower()
    if sent == "text/plain":
        return _checked({"text": text})
    if sent != "application/json":
        raise Problem(f"The content type {sent or 'none'} is not read: send application/json or text/plain.")
    try:
        asked = json.loads(text)
    except ValueError as error:
        raise Problem(f"The body is not JSON: {error}.") from error
    if not isinstance(asked, dict):
        raise Problem('Expected {"text": "..."} or {"texts": ["...", ...]}.')
    return _checked(asked)


def _checked(asked: dict) -> Asked:
    if unknown := set(asked) - {"text", "texts", "top_n", "words", "diversity"}:
        raise Problem(f"Unknown: {', '.join(sorted(unknown))}. Known are text, texts, top_n, words and diversity.")
    return Asked(
        _texts(asked),
        _number(asked, "top_n", int, 5, 1, MOST_KEYWORDS),
        _number(asked, "words", int, 1, 1, LONGEST_KEYWORD),
        _number(asked, "diversity", (int, float), 0.0, 0, 1),
    )


def _texts(asked):
    texts = asked.get("texts", [asked.get("text")])
    if (
        not isinstance(texts, list)
        or not all(isinstance(text, str) for text in texts)
        or {"text", "texts"} <= set(asked)
    ):
        raise Problem('Expected {"text": "..."} or {"texts": ["...", ...]}.')
    if not 0 < len(texts) <= MOST_TEXTS:
        raise Problem(f"Expected 1 to {MOST_TEXTS} texts, found {len(texts)}.")
    for number, text in enumerate(texts):
        if not text.strip() or len(text) > LONGEST_TEXT:
            raise Problem(f"texts[{number}]: expected 1 to {LONGEST_TEXT} characters, found {len(text.strip())}.")
    return texts


def _number(asked, name, kinds, default, lowest, highest):
    value = asked.get(name, default)
    if isinstance(value, bool) or not isinstance(value, kinds) or not lowest <= value <= highest:
        what = "a whole number" if kinds is int else "a number"
        raise Problem(f"{name}: expected {what} between {lowest} and {highest}, found {value!r}.")
    return value


def answer(texts, keywords) -> str:
    """The JSON of an answer: each text's keywords with their nearness to it, the nearest first."""
    results = [
        {"keywords": [{"keyword": word, "score": round(float(score), 4)} for word, score in keywords[index]]}
        for index, _ in enumerate(texts)
    ]
    return json.dumps({"results": results}, ensure_ascii=False)
