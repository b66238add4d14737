"""What the framework's model server calls: {"text": ..., "schema": [prompt, ...]} in, the spans of each prompt out.

`{"results": {"city": [{"text": "Oslo", "start": 8, "end": 12, "probability": 0.98}]}}`. A list of texts gives a list.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import extractor as models
from finetune import SCORES


class UnsupportedType(NotImplementedError):
    status_code = 415


def model_fn(model_dir: str) -> models.Extractor:
    longest = json.loads((Path(model_dir) / SCORES).read_text("utf-8"))["max_seq_len"]
    return models.load(model_dir, Path("/"), longest)


def input_fn(body: str | bytes, content_type: str | None) -> dict[str, Any]:
    sent = (content_type or "").split(";")[0].strip().lower()
    if sent != "application/json":
        raise UnsupportedType(f"The content type {sent or 'none'} is not supported: send application/json.")
    request = json.loads(body)
    schema = request.get("schema") if isinstance(request, dict) else None
    texts = request.get("text") if isinstance(request, dict) else None
    if not _is_texts(schema) or not (isinstance(texts, str) or _is_texts(texts)):
        raise ValueError('Expected {"text": a text or a list of texts, "schema": a list of prompts}.')
    return request


def predict_fn(request: dict[str, Any], extractor: models.Extractor) -> Any:
    texts = [request["text"]] if isinstance(request["text"], str) else request["text"]
    answers = [_answer(text, request["schema"], extractor) for text in texts]
    return answers[0] if isinstance(request["text"], str) else answers


def output_fn(answer: Any, _accept: str | None) -> tuple[str, str]:
    return json.dumps({"results": answer}, ensure_ascii=False), "application/json"


def _answer(text: str, schema: list[str], extractor: models.Extractor) -> dict[str, Any]:
    found = extractor.find([(prompt, text) for prompt in schema])
    return {
        prompt: [
            {"text": text[begin:end], "start": begin, "end": end, "probability": round(sure, 4)}
            for begin, end, sure in spans
        ]
        for prompt, spans in zip(schema, found)
    }


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) and one for one in value)
