"""The input templates of pipes.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-input-transformation.html: a template is text with
paths into the event and reserved variables in angle brackets. Within a JSON text a value stands as JSON where no
quotes are around it, and as a part of the string where there are. Fields that a source encodes (an SQS message's
`body`, a Kinesis record's `data`) are read as JSON where a path goes into them.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from local.documents import Json

_VARIABLE = re.compile(r"<(\$[\w.\-\[\]*/$]*|aws\.pipes\.[\w.\-]+)>")
_STEP = re.compile(r"\.([\w\-/$]+)|\[(\d+|\*)\]")
_ENCODED = ("body", "data")
MOST_CHARACTERS = 8192
"""Of a template, by the API's model."""


class TemplateInvalid(ValueError):
    """The message says which variable is none."""


@dataclass(frozen=True, slots=True)
class Names:
    """What the reserved variables of a pipe stand for."""

    pipe_arn: str
    pipe_name: str
    source_arn: str
    target_arn: str
    enrichment_arn: str
    ingestion_time: str
    """ISO 8601."""

    def value(self, name: str, event: Json) -> Json:
        """Returns what a reserved variable stands for.

        Raises:
            TemplateInvalid: there is none of that name.
        """
        values: Mapping[str, Callable[[], Json]] = {
            "aws.pipes.pipe-arn": lambda: self.pipe_arn,
            "aws.pipes.pipe-name": lambda: self.pipe_name,
            "aws.pipes.source-arn": lambda: self.source_arn,
            "aws.pipes.target-arn": lambda: self.target_arn,
            "aws.pipes.enrichment-arn": lambda: self.enrichment_arn,
            "aws.pipes.event.ingestion-time": lambda: self.ingestion_time,
            "aws.pipes.event": lambda: event,
            "aws.pipes.event.json": lambda: decoded(event),
        }
        if name not in values:
            raise TemplateInvalid(f"Invalid InputTemplate: there is no variable <{name}>")
        return values[name]()


def check(template: str) -> None:
    """Raises TemplateInvalid for a template that names what there is not."""
    if len(template) > MOST_CHARACTERS:
        raise TemplateInvalid(f"Invalid InputTemplate: {len(template)} characters, at most {MOST_CHARACTERS} are taken")
    nothing = Names("", "", "", "", "", "")
    for variable in _VARIABLE.findall(template):
        if not variable.startswith("$"):
            nothing.value(variable, None)


def render(template: str, event: Json, names: Names) -> Json:
    """Returns what a template makes of an event: JSON where the text is JSON, else the text."""

    def value(variable: str) -> Json:
        return look(event, variable) if variable.startswith("$") else names.value(variable, event)

    whole = _VARIABLE.fullmatch(template.strip())
    if whole is not None:
        return value(whole[1])
    pieces, end, quoted = [], 0, False
    for match in _VARIABLE.finditer(template):
        before = template[end : match.start()]
        quoted = _is_open(before, quoted)
        text = json.dumps(value(match[1]), ensure_ascii=False)
        if quoted:
            text = _within_a_string(value(match[1]))
        pieces += [before, text]
        end = match.end()
    filled = "".join([*pieces, template[end:]])
    try:
        return json.loads(filled)
    except ValueError:
        return _VARIABLE.sub(lambda match: _as_text(value(match[1])), template)


def look(event: Json, path: str) -> Json:
    """Returns what a path finds in an event, null where there is nothing.

    Raises:
        TemplateInvalid: it is no path.
    """
    values, place, many = [event], 1, False
    while place < len(path):
        step = _STEP.match(path, place)
        if step is None:
            raise TemplateInvalid(f"Invalid InputTemplate: <{path}> is no path")
        many |= step[2] == "*"
        values = [inner for value in values for inner in _inside(value, step)]
        place = step.end()
    return values if many else (values[0] if values else None)


def decoded(event: Json) -> Json:
    """Returns an event with the fields that its source encodes read as JSON, where they are JSON."""
    if not isinstance(event, dict):
        return event
    return {name: _decoded(value) if name in _ENCODED else value for name, value in event.items()}


def _inside(value: Json, step: "re.Match[str]") -> list[Json]:
    if step[1] is not None:
        if isinstance(value, str):
            value = _decoded(value)
        return [value[step[1]]] if isinstance(value, dict) and step[1] in value else []
    if not isinstance(value, list):
        value = _decoded(value)
    if not isinstance(value, list):
        return []
    return value if step[2] == "*" else value[int(step[2]) : int(step[2]) + 1]


def _decoded(value: Json) -> Json:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _is_open(text: str, quoted: bool) -> bool:
    """Tells whether a JSON text that began inside a string, or not, ends inside one."""
    quotes = len(re.findall(r'(?<!\\)(?:\\\\)*"', text))
    return quoted ^ bool(quotes % 2)


def _within_a_string(value: Json) -> str:
    return json.dumps(_as_text(value), ensure_ascii=False)[1:-1]


def _as_text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
