"""What the framework's model server calls: sentences in, the opinions in each out."""

import json
from pathlib import Path

import job
import triples

MOST_SENTENCES = 64


def model_fn(model_dir: str) -> tuple:
    """(generator, description)"""
    import model as models  # the request's parts are checked without the libraries of the model

    described = models.described(Path(model_dir))
    return models.load(model_dir, described["longest"], seed=0), described


def input_fn(body, content_type) -> list:
    """The sentences of `{"text": ...}`, of `{"texts": [...]}` or of plain text, a line each."""
    text = body if isinstance(body, str) else body.decode("utf-8", "replace")
    sent = (content_type or "").split(";")[0].strip().lower()
    if sent == "text/plain":
        sentences = text.splitlines()
    elif sent == "application/json":
        sentences = listed(text)
    else:
        raise job.Problem(f"The content type {sent or 'none'} is not read: send application/json or text/plain.")
    sentences = [" ".join(sentence.split()) for sentence in sentences if sentence.strip()]
    if not 0 < len(sentences) <= MOST_SENTENCES:
        raise job.Problem(f"Expected 1 to {MOST_SENTENCES} sentences, found {len(sentences)}.")
    if any(len(sentence) > triples.LONGEST_SENTENCE for sentence in sentences):
        raise job.Problem(f"A sentence may have {triples.LONGEST_SENTENCE} characters at most.")
    return sentences


def listed(text: str) -> list:
    try:
        asked = json.loads(text)
    except ValueError as error:
        raise job.Problem(f"The body is not JSON: {error}.") from error
    found = asked.get("texts", [asked.get("text")]) if isinstance(asked, dict) else asked
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise job.Problem('Expected {"text": "a sentence"} or {"texts": ["a sentence", ...]}.')
    return found


def predict_fn(sentences: list, model: tuple) -> list:
    generator, described = model
    task = described["task"]
    texts = generator.say(sentences, MOST_SENTENCES)
    return [
        {"text": sentence, "opinions": triples.named(triples.said(texts[index], sentence, task), task)}
        for index, sentence in enumerate(sentences)
    ]


def output_fn(results: list, _accept) -> tuple:
    return json.dumps({"results": results}, ensure_ascii=False), "application/json"
