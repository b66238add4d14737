"""What the framework's model server calls: texts in, a summary of each out. The endpoint's variables say how long."""

import json
import os

import job

MOST_TEXTS = 16
LONGEST_TEXT = 20_000


def model_fn(model_dir: str) -> tuple:
    """(summarizer, settings)"""
    import model as models  # requests and settings are checked without the libraries of the model

    return models.load(model_dir), settings(os.environ)


def settings(environment) -> dict:
    """input_max_length and output_max_length in tokens, and top_p. Raises Problem."""
    try:
        found = {
            "longest_text": int(environment.get("input_max_length", "512")),
            "longest_summary": int(environment.get("output_max_length", "80")),
            "top_p": float(environment.get("top_p", "1")),
        }
    except ValueError as error:
        raise job.Problem(f"A variable of the endpoint is not a number: {error}.") from error
    if not (8 <= found["longest_text"] <= 4096 and 4 <= found["longest_summary"] <= 1024 and 0 < found["top_p"] <= 1):
        raise job.Problem(
            "Expected input_max_length from 8 to 4096, output_max_length from 4 to 1024 and top_p above 0 up to 1."
        )
    return found


def input_fn(body, content_type) -> list:
    """The texts of `{"text": ...}`, of `{"texts": [...]}` or of a plain text."""
    text = body if isinstance(body, str) else body.decode("utf-8", "replace")
    sent = (content_type or "").split(";")[0].strip().lower()
    if sent not in ("application/json", "text/plain"):
        raise job.Problem(f"The content type {sent or 'none'} is not read: send application/json or text/plain.")
    texts = [text] if sent == "text/plain" else listed(text)
    if not 0 < len(texts) <= MOST_TEXTS:
        raise job.Problem(f"Expected 1 to {MOST_TEXTS} texts, found {len(texts)}.")
    for number, one in enumerate(texts):
        if not one.strip() or len(one) > LONGEST_TEXT:
            raise job.Problem(f"texts[{number}]: expected 1 to {LONGEST_TEXT} characters, found {len(one.strip())}.")
    return [" ".join(one.split()) for one in texts]


def listed(text: str) -> list:
    try:
        asked = json.loads(text)
    except ValueError as error:
        raise job.Problem(f"The body is not JSON: {error}.") from error
    found = asked.get("texts", [asked.get("text")]) if isinstance(asked, dict) else asked
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise job.Problem('Expected {"text": "..."} or {"texts": ["...", ...]}.')
    return found


def predict_fn(texts: list, model: tuple) -> list:
    summarizer, how = model
    return summarizer.write(texts, **how)


def output_fn(written: list, _accept) -> tuple:
    results = [{"summary": summary} for summary in written]
    return json.dumps({"results": results}, ensure_ascii=False), "application/json"
