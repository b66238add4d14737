"""The fields of a Map state: where its items come from, what each iteration gets, and how many may fail."""

import re
from typing import Any

from local.documents import Json
from local.stepfunctions.asl.errors import QueryEvaluationError, runtime
from local.stepfunctions.asl.fields import Fields, shown
from local.stepfunctions.asl.jsonpath.expressions import compile_path
from local.stepfunctions.asl.machine.dataflow import DataFlow, read
from local.stepfunctions.asl.machine.machine import Batcher, Distribution, Evaluate, Flow, MapState
from local.stepfunctions.asl.machine.processors import place_of
from local.stepfunctions.asl.machine.retries import Catcher, Retrier
from local.stepfunctions.asl.scope import Scope
from local.stepfunctions.asl.states.contents import Contents
from local.stepfunctions.asl.templates import compile_jsonata

COMMON = ("ItemProcessor", "Iterator", "ItemSelector", "ItemReader", "ItemBatcher", "ResultWriter", "MaxConcurrency",
          "ToleratedFailureCount", "ToleratedFailurePercentage", "Label")  # fmt: skip
_MAX_LABEL = 40
_BAD_LABEL = re.compile(r"[\s?*<>{}\[\]:;,\\|^~$#%&`\"\x00-\x1f\x7f-\x9f]")


def compile_map(
    contents: Contents,
    name: str,
    fields: Fields,
    *,
    flow: DataFlow,
    next_state: str | None,
    faults: tuple[tuple[Retrier, ...], tuple[Catcher, ...]],
) -> MapState | None:
    which = "Iterator" if "Iterator" in fields and "ItemProcessor" not in fields else "ItemProcessor"
    if "Iterator" in fields and "ItemProcessor" in fields:
        fields.problem("Only one of the fields [ItemProcessor, Iterator] can be set")
    if not fields.require(which):
        return None
    definition = fields.mapping(which)
    items, selector = _items(fields), _selector(fields)
    limits = (fields.count("MaxConcurrency"), fields.toleration("ToleratedFailureCount"),
              fields.toleration("ToleratedFailurePercentage", percentage=True))  # fmt: skip
    if definition is None:
        return None
    distribution = _distribution(contents, fields, definition, which)
    processor = _processor(contents, definition, f"{fields.location}/{which}", distribution)
    if processor is None or items is None:
        return None
    return MapState(
        name=name, next=next_state, jsonata=fields.jsonata, flow=flow, retriers=faults[0], catchers=faults[1],
        processor=processor, items=items, selector=selector, max_concurrency=limits[0], tolerated_count=limits[1],
        tolerated_percentage=limits[2], distribution=distribution,
    )  # fmt: skip


def _processor(
    contents: Contents, definition: dict[str, Json], location: str, distribution: Distribution | None
) -> Flow | None:
    """Compiles the processor. Children may be Express while their parent is not, with all that this rules out."""
    express = distribution is not None and distribution.express
    return contents.processor(definition, location, express=express)


def _items(fields: Fields) -> Evaluate | None:
    if fields.jsonata:
        return _queried_items(fields) if "Items" in fields else _input_items
    text = fields.text("ItemsPath") or "$"
    expression = fields.attempt("ItemsPath", lambda: compile_path(text))
    if expression is None:
        return None
    shown_path = text.replace("$$", "$", 1)

    def evaluate(scope: Scope, root: Any) -> Any:
        value = read(expression, root, scope)
        if not isinstance(value, list):
            raise runtime(f'Reference path "{shown_path}" must point to array.')
        return value

    return evaluate


def _input_items(scope: Scope, _root: Any) -> Any:
    if not isinstance(scope.input, list):
        raise QueryEvaluationError(f"Map state input must be an array but was: {shown(scope.input)}")
    return scope.input


def _queried_items(fields: Fields) -> Evaluate | None:
    query = fields.query("Items")
    if query is None:
        if not isinstance(fields.values["Items"], list):
            fields.problem("Value is not an Array or a JSONata expression", "Items")
            return None
        template = fields.jsonata_template("Items")
        return None if template is None else lambda scope, _root: template(scope)

    return lambda scope, _root: query.evaluate_as(list, "array", scope)


def _selector(fields: Fields) -> Evaluate | None:
    """ItemSelector, called Parameters once."""
    if fields.jsonata:
        template = fields.jsonata_template("ItemSelector")
        return None if template is None else lambda scope, _root: template(scope)
    compiled = fields.template("ItemSelector" if "ItemSelector" in fields else "Parameters")
    return None if compiled is None else lambda scope, root: compiled(root, scope)


def _distribution(contents: Contents, fields: Fields, processor: dict[str, Json], which: str) -> Distribution | None:
    config = processor.get("ProcessorConfig", {})
    here = fields.below(processor, which)
    if not isinstance(config, dict):
        here.problem("Value is not an Object", "ProcessorConfig")
        return None
    below = here.below(config, "ProcessorConfig")
    below.only(("Mode", "ExecutionType"))
    mode, kind = config.get("Mode", "INLINE"), config.get("ExecutionType")
    if mode not in ("INLINE", "DISTRIBUTED"):
        below.problem("The field 'Mode' should have one of these values: [INLINE, DISTRIBUTED]", "Mode")
    if mode == "DISTRIBUTED" and kind not in ("STANDARD", "EXPRESS"):
        below.problem("The field 'ExecutionType' should have one of these values: [STANDARD, EXPRESS]", "ExecutionType")
    label = _label(fields)
    if mode != "DISTRIBUTED":
        for name in ("ItemReader", "ItemBatcher", "ResultWriter"):
            if name in fields:
                fields.problem(f"The field '{name}' is only supported in a distributed Map", name)
        return None
    if contents.express:
        below.problem("Express state machine does not support Distributed Map", "Mode")
    reader, reader_arguments = _storage(fields, "ItemReader", "ReaderConfig")
    writer, writer_arguments = _storage(fields, "ResultWriter", "WriterConfig")
    return Distribution(
        express=kind == "EXPRESS",
        label=label,
        reader=reader,
        reader_arguments=reader_arguments,
        reader_config=None if reader is None else _reader_config(fields.below(reader, "ItemReader")),
        writer=writer,
        writer_arguments=writer_arguments,
        batcher=_batcher(fields),
        place=place_of(contents.trail),
    )


def _label(fields: Fields) -> str | None:
    label = fields.text("Label")
    if label is None:
        return None
    if len(label) > _MAX_LABEL:
        fields.problem(f"Label cannot exceed {_MAX_LABEL} characters", "Label")
    elif bad := _BAD_LABEL.search(label):
        fields.problem(f"Label contains invalid character: '{bad[0]}'", "Label")
    return label


def _storage(fields: Fields, name: str, config: str) -> tuple[dict[str, Json] | None, Evaluate | None]:
    """ItemReader or ResultWriter: as it stands, and what it passes to its Resource."""
    storage = fields.mapping(name)
    if storage is None:
        return None, None
    below = fields.below(storage, name)
    below.only(("Resource", config, "Arguments" if fields.jsonata else "Parameters"))
    if (config == "ReaderConfig" or config not in storage) and below.require("Resource"):
        _s3(below, name)
    if fields.jsonata:
        template = below.jsonata_template("Arguments")
        return storage, None if template is None else lambda scope, _root: template(scope)
    compiled = below.template("Parameters")
    return storage, None if compiled is None else lambda scope, root: compiled(root, scope)


_ACTIONS = {"ItemReader": ("getObject", "listObjectsV2"), "ResultWriter": ("putObject",)}


def _s3(fields: Fields, name: str) -> None:
    resource = fields.text("Resource")
    if resource is not None and resource.rpartition(":states:::s3:")[2] not in _ACTIONS[name]:
        fields.problem(f"The resource provided {resource} is not recognized in {name}", "Resource")


_READER_CONFIG = ("InputType", "CSVHeaderLocation", "CSVHeaders", "CSVDelimiter", "MaxItems", "MaxItemsPath",
                  "ItemsPointer", "ManifestType", "Transformation")  # fmt: skip


def _reader_config(fields: Fields) -> Evaluate | None:
    reader = fields.mapping("ReaderConfig")
    if reader is None:
        return None
    below = fields.below(reader, "ReaderConfig")
    below.only(_READER_CONFIG)
    most = below.count("MaxItems")
    rest = {name: value for name, value in reader.items() if name not in ("MaxItems", "MaxItemsPath")}
    if most is None:
        return lambda _scope, _root: rest
    return lambda scope, root: {**rest, "MaxItems": most(scope, root)}


def _batcher(fields: Fields) -> Batcher | None:
    batcher = fields.mapping("ItemBatcher")
    if batcher is None:
        return None
    below = fields.below(batcher, "ItemBatcher")
    limits = ("MaxItemsPerBatch", "MaxInputBytesPerBatch")
    below.only((*limits, *(f"{name}Path" for name in limits if not fields.jsonata), "BatchInput"))
    if not any(name in batcher or f"{name}Path" in batcher for name in limits):
        below.problem(f"These fields are required: [{' or '.join(limits)}]")
    return Batcher(below.count("MaxItemsPerBatch"), below.count("MaxInputBytesPerBatch"), _batch_input(below))


def _batch_input(fields: Fields) -> Evaluate | None:
    if "BatchInput" not in fields:
        return None
    if fields.jsonata:
        value = fields.values["BatchInput"]
        template = fields.attempt("BatchInput", lambda: compile_jsonata(value, "ItemBatcher/BatchInput"))
        return None if template is None else lambda scope, _root: template(scope)
    compiled = fields.template("BatchInput")
    return None if compiled is None else lambda scope, root: compiled(root, scope)
