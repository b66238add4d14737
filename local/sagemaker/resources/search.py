"""Search: what is stored, by conditions on its properties.

A property is a dotted path into what the resource's Describe operation answers, such as `ModelLifeCycle.Stage`, or
`Tags.team` for a tag; a list on the way stands for each of its items. Of resources that are never made here none are
found.

Source: API_Search, API_Filter and API_NestedFilters of the SageMaker API reference.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from local.documents import Document, Json
from local.sagemaker.machine.machine import Machine
from local.sagemaker.resources import tags
from local.sagemaker.wire import listing, shapes
from local.sagemaker.wire.arns import resource
from local.sagemaker.wire.errors import ValidationException


@dataclass(frozen=True, slots=True)
class _Kind:
    stored: str
    """The kind of its documents."""
    arn: str
    shape: str
    """What a result holds of it, and the member it stands under."""


_KINDS: Mapping[str, _Kind] = {
    "TrainingJob": _Kind("training-job", "TrainingJobArn", "TrainingJob"),
    "HyperParameterTuningJob": _Kind(
        "hyper-parameter-tuning-job", "HyperParameterTuningJobArn", "HyperParameterTuningJobSearchEntity"
    ),
    "Endpoint": _Kind("endpoint", "EndpointArn", "Endpoint"),
    "ModelPackage": _Kind("model-package", "ModelPackageArn", "ModelPackage"),
    "ModelPackageGroup": _Kind("model-package-group", "ModelPackageGroupArn", "ModelPackageGroup"),
    "Pipeline": _Kind("pipeline", "PipelineArn", "Pipeline"),
    "PipelineExecution": _Kind("pipeline-execution", "PipelineExecutionArn", "PipelineExecution"),
    "PipelineVersion": _Kind("pipeline-version", "PipelineArn", "PipelineVersion"),
    "Model": _Kind("model", "ModelArn", "ModelDashboardModel"),
}


def search(machine: Machine, request: Document) -> Document:
    if "VisibilityConditions" in request:
        raise ValidationException("VisibilityConditions is not run by this local SageMaker.")
    name = request["Resource"]
    kind = _KINDS.get(name)
    own = request.get("CrossAccountFilterOption", "SameAccount") == "SameAccount"
    documents = _documents(machine, kind) if kind is not None and own else []
    expression = request.get("SearchExpression", {})
    hits = [document for document in documents if fits(document, expression)]
    hits.sort(key=lambda document: _rank(document, request.get("SortBy", "LastModifiedTime")))
    order = {"SortOrder": request.get("SortOrder", "Descending")}
    asked: Document = {member: request[member] for member in ("NextToken", "MaxResults") if member in request}
    page = listing.page("Search", hits, {**asked, **order}, name="")
    page["Results"] = [_result(name, kind, document) for document in page["Results"]] if kind is not None else []
    page["TotalHits"] = {"Value": len(hits), "Relation": "EqualTo"}
    return page


def suggestions(_machine: Machine, _request: Document) -> Document:
    """Returns words to complete what someone types into the console; there are none."""
    return {"PropertyNameSuggestions": []}


def _documents(machine: Machine, kind: _Kind) -> list[Document]:
    described = []
    for document in machine.store.find(kind.stored):
        arn = document[kind.arn]
        own = {"ModelPackageName": resource(arn)} if kind.shape == "ModelPackage" else {}
        described.append({**own, **document, **tags.list_tags(machine, {"ResourceArn": arn})})
    return described


def _result(name: str, kind: _Kind, document: Document) -> Document:
    entity = {"Model": document, "Endpoints": []} if kind.shape == "ModelDashboardModel" else document
    return {name: shapes.member(kind.shape, entity)}


def _rank(document: Document, path: str) -> tuple[bool, bool, Json]:
    """Returns what documents are sorted by: those without the property come first, then numbers, then texts."""
    value = next(iter(values(document, path)), None)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return (value is not None, not number, value if number else str(value))


# The conditions. Pure.


def fits(document: Document, expression: Document) -> bool:
    """Tells whether a SearchExpression holds for a document."""
    parts = [
        *(_holds(document, condition) for condition in expression.get("Filters", [])),
        *(_nested(document, nested) for nested in expression.get("NestedFilters", [])),
        *(fits(document, inner) for inner in expression.get("SubExpressions", [])),
    ]
    return (any(parts) if expression.get("Operator") == "Or" else all(parts)) if parts else True


def _nested(document: Document, nested: Document) -> bool:
    """Tells whether one item of the list fits all the filters, whose names may begin with the list's."""
    prefix = nested["NestedPropertyName"]
    filters = [{**condition, "Name": condition["Name"].removeprefix(f"{prefix}.")} for condition in nested["Filters"]]
    items = [item for item in values(document, prefix) if isinstance(item, dict)]
    return any(all(_holds(item, condition) for condition in filters) for item in items)


def _holds(document: Document, condition: Document) -> bool:
    operator: str = condition.get("Operator", "Equals")
    held = [value for value in values(document, condition["Name"]) if value is not None]
    if operator in ("Exists", "NotExists"):
        return bool(held) == (operator == "Exists")
    if "Value" not in condition:
        raise ValidationException(f"The filter on {condition['Name']} needs a Value for the operator {operator}.")
    wanted = condition["Value"]
    if operator == "NotEquals":
        return not any(_equals(value, wanted) for value in held)
    return any(bool(_OPERATORS[operator](value, wanted)) for value in held)


def _equals(value: Json, wanted: str) -> bool:
    if isinstance(value, bool):
        return str(value).lower() == wanted.lower()
    return bool(_compared(value, wanted, lambda left, right: left == right))


def _contains(value: Json, wanted: str) -> bool:
    return wanted.lower() in str(value).lower()


def _in(value: Json, wanted: str) -> bool:
    return any(_equals(value, text.strip()) for text in wanted.split(","))


def _compared(value: Json, wanted: str, compare: Callable[[Json, Json], bool]) -> bool:
    """Compares as numbers where the property is one (a time may be an ISO date), as texts otherwise."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = _number(wanted)
        return number is not None and bool(compare(value, number))
    return bool(compare(str(value), wanted))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        try:
            return datetime.fromisoformat(text).timestamp()
        except ValueError:
            return None


_OPERATORS: Mapping[str, Callable[[Json, str], bool]] = {
    "Equals": _equals,
    "Contains": _contains,
    "In": _in,
    "GreaterThan": lambda value, wanted: _compared(value, wanted, lambda left, right: left > right),
    "GreaterThanOrEqualTo": lambda value, wanted: _compared(value, wanted, lambda left, right: left >= right),
    "LessThan": lambda value, wanted: _compared(value, wanted, lambda left, right: left < right),
    "LessThanOrEqualTo": lambda value, wanted: _compared(value, wanted, lambda left, right: left <= right),
}


def values(value: Json, path: str) -> Iterator[Json]:
    """Yields everything that a dotted path leads to; a list on the way stands for each of its items."""
    if isinstance(value, list):
        for item in value:
            yield from values(item, path)
    elif isinstance(value, dict):
        if path in value:
            yield from value[path] if isinstance(value[path], list) else [value[path]]
            return
        first, _, rest = path.partition(".")
        if first == "Tags":
            yield from (tag["Value"] for tag in value.get("Tags", []) if tag["Key"] == rest)
        elif first == "Metrics":
            yield from (
                metric["Value"] for metric in value.get("FinalMetricDataList", []) if metric["MetricName"] == rest
            )
        elif first in value and rest:
            yield from values(value[first], rest)
