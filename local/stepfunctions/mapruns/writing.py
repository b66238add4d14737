"""The results of a map run: one value for the Map state, or files in S3 and a manifest.

Source: the Developer Guide, "ResultWriter (Map)". Children are read from the journal one after the other.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.documents import Json
from local.stepfunctions.asl import timestamps
from local.stepfunctions.asl.documents import MAX_BYTES, decode, encode, size
from local.stepfunctions.interpreter.events import Event
from local.stepfunctions.interpreter.redriving import why_not
from local.stepfunctions.interpreter.run import too_large
from local.stepfunctions.journal.mapruns import ends
from local.stepfunctions.journal.reading import Reader
from local.stepfunctions.journal.rows import ExecutionRow
from local.stepfunctions.mapruns.errors import MapRunFailed, writer_failed
from local.stepfunctions.mapruns.reading import said

_FILE_BYTES = 32 * 1024 * 1024
_INCLUDED = {"Included": True}


@dataclass(frozen=True, slots=True)
class Format:
    transformation: str = "COMPACT"
    """NONE, COMPACT or FLATTEN."""
    lines: bool = False
    """One value a line, rather than an array."""

    @classmethod
    def of(cls, writer: Mapping[str, Json] | None) -> "Format":
        """Reads the format of a ResultWriter."""
        if writer is None:
            return cls()
        config = writer.get("WriterConfig", {})
        default = "NONE" if "Resource" in writer else "COMPACT"
        return cls(config.get("Transformation", default), config.get("OutputType") == "JSONL")

    def shown(self, child: "Child") -> list[str]:
        """Returns what a child adds to the results: JSON texts. One that failed is shown whole, whatever the format."""
        output = child.last.details.get("output")
        if self.transformation == "NONE" or output is None:
            return [encode(child.outcome())]
        if self.transformation == "FLATTEN":
            value = decode(output)
            return [encode(item) for item in value] if isinstance(value, list) else [output]
        return [output]

    def joined(self, texts: Iterable[str]) -> str:
        return "".join(f"{text}\n" for text in texts) if self.lines else f"[{','.join(texts)}]"


@dataclass(frozen=True, slots=True)
class Child:
    row: ExecutionRow
    first: Event
    last: Event

    def outcome(self) -> dict[str, Json]:
        row, details = self.row, self.last.details
        told: dict[str, Json] = {
            "Cause": details.get("cause"),
            "Error": details.get("error"),
            "ExecutionArn": row.arn,
            "Input": self.first.details["input"],
            "InputDetails": _INCLUDED,
            "Name": row.name,
            "Output": details.get("output"),
            "OutputDetails": _INCLUDED,
            "RedriveCount": row.redrives,
            "RedriveStatus": "REDRIVABLE",
            "StartDate": timestamps.write(row.started),
            "StateMachineArn": row.machine_arn,
            "Status": row.status,
            "StopDate": timestamps.write(self.last.time),
        }
        reason = why_not(row.status, self.last.id)
        if reason is not None:
            told["RedriveStatus"], told["RedriveStatusReason"] = "NOT_REDRIVABLE", reason
        elif row.express:
            told["RedriveStatus"] = "REDRIVABLE_BY_MAP_RUN"
        return {name: told[name] for name in sorted(told) if told[name] is not None}


def pending(machine_arn: str, text: str) -> str:
    """Returns the entry of a child that was not started."""
    return encode(
        {"Input": text, "InputDetails": _INCLUDED, "OutputDetails": _INCLUDED, "StateMachineArn": machine_arn,
         "Status": "PENDING"}
    )  # fmt: skip


def read_children(reader: Reader, executions: Iterable[int]) -> Iterator[Child]:
    for execution in executions:
        row = reader.by_id(execution)
        if row is not None:
            yield Child(row, *ends(reader.select, execution))


def result(state: str, texts: Iterable[str]) -> str:
    """Returns the array of these. Raises MapRunFailed where it is more than a state may put out."""
    kept: list[str] = []
    used = 2
    for text in texts:
        used += size(text) + 1
        if used > MAX_BYTES + 1:
            raise result_too_large(state)
        kept.append(text)
    return f"[{','.join(kept)}]"


def result_too_large(state: str) -> MapRunFailed:
    problem = too_large(state)
    return MapRunFailed(problem.error, problem.cause)


@dataclass(slots=True)
class ResultFiles:
    """Below one folder of a bucket. Every method may raise MapRunFailed."""

    client: Any
    arguments: Mapping[str, Json]
    """Bucket, Prefix and whatever else PutObject takes."""
    map_run: str
    """The ARN."""
    format: Format
    written: int = 0
    _files: dict[str, list[dict[str, Json]]] = field(
        default_factory=lambda: {"FAILED": [], "PENDING": [], "SUCCEEDED": []}
    )

    @property
    def folder(self) -> str:
        prefix = str(self.arguments.get("Prefix", "")).strip("/")
        name = self.map_run.rpartition(":")[2]
        return f"{prefix}/{name}" if prefix else name

    @property
    def details(self) -> dict[str, str]:
        return {"Bucket": self.arguments["Bucket"], "Key": f"{self.folder}/manifest.json"}

    def check(self) -> None:
        """Checks, before anything runs, that it can be written at all."""
        self._put(".writer_access_check", "")

    def add(self, kind: str, texts: Iterable[str]) -> None:
        """FAILED, PENDING or SUCCEEDED; each text is JSON."""
        kept: list[str] = []
        used = 0
        for text in texts:
            kept.append(text)
            used += len(text)
            if used > _FILE_BYTES:
                self._file(kind, kept)
                kept, used = [], 0
        if kept:
            self._file(kind, kept)

    def finish(self) -> str:
        """Writes the manifest; the Map state's result."""
        manifest = {
            "DestinationBucket": self.arguments["Bucket"],
            "MapRunArn": self.map_run,
            "ResultFiles": self._files,
        }
        self._put("manifest.json", encode(manifest))
        return encode({"MapRunArn": self.map_run, "ResultWriterDetails": self.details})

    def _file(self, kind: str, texts: list[str]) -> None:
        files = self._files[kind]
        length = self._put(name := f"{kind}_{len(files)}.json", self.format.joined(texts))
        files.append({"Key": f"{self.folder}/{name}", "Size": length})
        if kind != "PENDING":
            self.written += len(texts)

    def _put(self, name: str, text: str) -> int:
        body = text.encode("utf-8", "surrogatepass")
        rest = {key: value for key, value in self.arguments.items() if key != "Prefix"}
        try:
            self.client.put_object(**{**rest, "Key": f"{self.folder}/{name}", "Body": body})
        except (ClientError, BotoCoreError) as error:
            raise writer_failed(said(error)) from error
        return len(body)
