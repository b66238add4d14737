"""DataProcessing of a transform job: what of a record the container gets, and what of both is kept.

Source: "Associate Prediction Results with Input Records" in the developer guide.
"""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from local.documents import Json
from local.sagemaker.jobs.transform import jsonpath
from local.sagemaker.jobs.transform.jsonpath import Selector
from local.sagemaker.wire.errors import ValidationException, WorkFailed

_FAMILIES = {"text/csv": "csv", "application/json": "json", "application/jsonlines": "json"}
_INPUT, _OUTPUT = "SageMakerInput", "SageMakerOutput"


@dataclass(frozen=True, slots=True)
class DataProcessing:
    """The filters of one job; by default they keep everything."""

    family: str = ""
    input: Selector | None = None
    output: Selector | None = None
    join: bool = False

    @property
    def looks_inside(self) -> bool:
        return self.input is not None or self.output is not None or self.join

    def given(self, record: bytes) -> bytes:
        """Raises WorkFailed."""
        if self.input is None:
            return record
        end = b"\n" if record.endswith(b"\n") else b""
        return self._written(self.input(self._read(record))) + end

    def kept(self, records: Sequence[bytes], body: bytes) -> bytes:
        """Returns what is kept of the container's answer to these records. Raises WorkFailed where not each has one."""
        if self.output is None and not self.join:
            return body
        answers = [body] if len(records) == 1 else [line for line in body.splitlines() if line.strip()]
        if len(answers) != len(records):
            raise WorkFailed(f"the container gave {len(answers)} answers to {len(records)} records")
        return b"\n".join(self._of_one(*pair) for pair in zip(records, answers, strict=True))

    def _of_one(self, record: bytes, body: bytes) -> bytes:
        value = self._read(body)
        if self.join:
            value = self._joined(self._read(record), value)
        return self._written(value if self.output is None else self.output(value))

    def _joined(self, record: Json, answered: Json) -> Json:
        if self.family == "csv":
            return [*record, *answered]
        return {**(record if isinstance(record, dict) else {_INPUT: record}), _OUTPUT: answered}

    def _read(self, record: bytes) -> Json:
        try:
            text = record.decode()
            return json.loads(text) if self.family == "json" else next(csv.reader([text.strip("\r\n")]))
        except (ValueError, StopIteration, csv.Error) as error:
            raise WorkFailed(f"a record is not {self.family}: {error}") from error

    def _written(self, value: Json) -> bytes:
        if self.family == "json":
            return json.dumps(value).encode()
        sink = io.StringIO()
        csv.writer(sink, lineterminator="").writerow(value if isinstance(value, list) else [value])
        return sink.getvalue().encode()


def of(request: Mapping[str, Json]) -> DataProcessing:
    """Reads the DataProcessing of CreateTransformJob's request. Raises ValidationException."""
    config = request.get("DataProcessing", {})
    paths: list[Callable[[Json], Json] | None] = [
        jsonpath.compiled(config[name]) if config.get(name, "$") != "$" else None
        for name in ("InputFilter", "OutputFilter")
    ]
    processing = DataProcessing("", paths[0], paths[1], config.get("JoinSource", "None") == "Input")
    if not processing.looks_inside:
        return processing
    content_type = request["TransformInput"].get("ContentType", "")
    family = _FAMILIES.get(_base(content_type))
    accepted = request["TransformOutput"].get("Accept", content_type)
    if family is None or _FAMILIES.get(_base(accepted)) != family:
        raise ValidationException(
            f"DataProcessing needs a ContentType and an Accept of one kind, text/csv, application/json or "
            f"application/jsonlines; found {content_type!r} and {accepted!r}."
        )
    return DataProcessing(family, processing.input, processing.output, processing.join)


def _base(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()
