"""The parameters of a pipeline: declared in its definition, given as texts when it is started. Pure."""

import math
from collections.abc import Mapping, Sequence

from local.documents import Document, Json
from local.sagemaker.wire.errors import ValidationException

Parameter = Mapping[str, Json]
"""Name, Type, and perhaps DefaultValue and EnumValues."""

TYPES: Mapping[str, tuple[type, ...]] = {
    "String": (str,),
    "Integer": (int,),
    "Float": (int, float),
    "Boolean": (bool,),
}


def declared(bodies: Json, problems: list[str]) -> list[Parameter]:
    """Returns the definition's Parameters; what is wrong with them goes to `problems`."""
    parameters: dict[str, Parameter] = {}
    if not isinstance(bodies, list):
        problems.append("Expecting start of Json Array. Parameters is no list")
        return []
    for parameter in bodies:
        if (
            not isinstance(parameter, dict)
            or not isinstance(parameter.get("Name"), str)
            or parameter.get("Type") not in TYPES
        ):
            problems.append(f"a parameter needs a Name and a Type of {', '.join(TYPES)}: {str(parameter)[:100]}")
            continue
        problems.extend(_wrong(parameter))
        if parameter["Name"] in parameters:
            problems.append(f"parameter {parameter['Name']} is there twice")
        parameters[parameter["Name"]] = parameter
    return list(parameters.values())


def _wrong(parameter: Parameter) -> list[str]:
    name, kind, problems = parameter["Name"], parameter["Type"], []
    default, allowed = parameter.get("DefaultValue"), parameter.get("EnumValues")
    if default is not None and not is_of(kind, default):
        problems.append(f"parameter {name}: the default {default!r} is no {kind}")
    if allowed is not None and (not isinstance(allowed, list) or not all(is_of(kind, value) for value in allowed)):
        problems.append(f"parameter {name}: EnumValues is no list of {kind}")
    elif allowed and default is not None and default not in allowed:
        problems.append(f"parameter {name}: the default {default!r} is not one of {allowed}")
    return problems


def is_of(kind: str, value: object) -> bool:
    return isinstance(value, TYPES[kind]) and (kind == "Boolean" or not isinstance(value, bool))


def values(parameters: Sequence[Parameter], texts: Mapping[str, str]) -> Document:
    """Returns the parameters of one execution, typed. Raises ValidationException naming everything that is wrong."""
    known = {parameter["Name"] for parameter in parameters}
    unknown = sorted(set(texts) - known)
    problems = [f"Unknown pipeline parameter(s): {', '.join(unknown)}"] if unknown else []
    typed: Document = {}
    missing = []
    for parameter in parameters:
        name = parameter["Name"]
        if name in texts:
            try:
                typed[name] = _typed(parameter, texts[name])
            except ValueError as error:
                problems.append(f"Pipeline parameter {name}: {error}")
        elif parameter.get("DefaultValue") is not None:
            typed[name] = parameter["DefaultValue"]
        else:
            missing.append(name)
    if missing:
        problems.append(f"Pipeline parameter(s) without a value: {', '.join(missing)}")
    if problems:
        raise ValidationException("; ".join(problems))
    return typed


def _typed(parameter: Parameter, text: str) -> Json:
    """Raises ValueError with what is wrong."""
    try:
        value = _read(parameter["Type"], text)
    except (ValueError, KeyError) as error:
        raise ValueError(f"{text!r} is no {parameter['Type']}") from error
    allowed = parameter.get("EnumValues")
    if allowed and value not in allowed:
        raise ValueError(f"{text!r} is not one of {allowed}")
    return value


def _read(kind: str, text: str) -> Json:
    if kind == "Integer":
        return int(text)
    if kind == "Boolean":
        return {"true": True, "false": False}[text.lower()]
    if kind == "Float":
        value = float(text)
        if not math.isfinite(value):
            raise ValueError(text)
        return value
    return text
