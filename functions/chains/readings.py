"""The second half of a chain: one crop -> the reader's lines of text."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from functions.chains import boxes, crops, invocations
from functions.chains.chains import Member
from functions.jobs.errors import AnswerInvalid, JobError

if TYPE_CHECKING:
    from functions.aws.services import Services


def read(event: Mapping[str, Any], services: Services) -> int:
    """Asks the reader for the text of one crop and stores its answer; returns the number of lines.

    What went wrong is stored, too, before it is raised: the state machine tries again, and keeps of a last failure only
    its name. A later success overwrites it.

    Raises:
        EndpointNotFound, EndpointNotReady, ModelFailed, AnswerInvalid: there is no text; the words say why.
    """
    job_id, index, reader = event["job_id"], event["index"], Member(**event["read"])
    try:
        lines = _lines(reader, job_id, index, services)
    except (JobError, ClientError) as error:
        told = {"code": type(error).__name__, "message": str(error)}
        _store(job_id, index, {"lines": [], "error": told}, services)
        raise
    _store(job_id, index, {"lines": lines, "error": None}, services)
    return len(lines)


def _lines(reader: Member, job_id: str, index: int, services: Services) -> list[dict[str, Any]]:
    key = crops.image_key(job_id, index)
    body = services.s3.get_object(Bucket=services.settings.artifacts_bucket, Key=key)["Body"].read()
    return parse(invocations.ask(reader, body, "image/jpeg", services), reader.algorithm)


def _store(job_id: str, index: int, reading: Mapping[str, Any], services: Services) -> None:
    services.s3.put_object(
        Bucket=services.settings.artifacts_bucket,
        Key=crops.reading_key(job_id, index),
        Body=json.dumps(reading, ensure_ascii=False).encode(),
        ContentType="application/json",
    )


def parse(document: Any, algorithm: str) -> list[dict[str, Any]]:
    """Reads a reader's parsed JSON: `{"lines": [{"text", "confidence", "box"}]}`, a box of four corners or of two.

    Raises:
        AnswerInvalid: it is something else; the text names the first field that is wrong.
    """
    lines = document.get("lines") if isinstance(document, Mapping) else None
    if not isinstance(lines, list):
        raise AnswerInvalid(
            f'{algorithm} answered no list of lines: expected {{"lines": [...]}}, found {document!r:.100}'
        )
    return [_line(line, algorithm, f"lines[{at}]") for at, line in enumerate(lines)]


def _line(line: Any, algorithm: str, where: str) -> dict[str, Any]:
    if not isinstance(line, Mapping) or not isinstance(line.get("text"), str):
        raise AnswerInvalid(f"{algorithm} answered {where}.text: expected text, found {line!r:.100}")
    place = line.get("box")
    if not _is_place(place):
        expected = "[x1, y1, x2, y2] or four [x, y]"
        raise AnswerInvalid(f"{algorithm} answered {where}.box: expected {expected}, found {place!r:.100}")
    sure = boxes.confidence(line.get("confidence"), algorithm, f"{where}.confidence")
    return {"text": line["text"], "confidence": sure, "box": place}


def _is_place(box: Any) -> bool:
    if not isinstance(box, list) or len(box) != 4:
        return False
    corners = [corner for corner in box if isinstance(corner, list) and len(corner) == 2]
    numbers = [side for corner in corners for side in corner] if len(corners) == 4 else box
    return all(_is_finite(number) for number in numbers)


def _is_finite(number: Any) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number)
