"""What the state types share: the data flow of a state, and where it leads."""

from local.stepfunctions.asl.fields import Fields
from local.stepfunctions.asl.machine.dataflow import DataFlow, PathFlow, QueryFlow


def flow_of(fields: Fields, *, task: bool = False, parameters: bool = True, traced: bool = True) -> DataFlow:
    """Reads a state's data flow. Where Parameters are not its own (Map), `parameters` is false."""
    if fields.jsonata:
        return QueryFlow(
            fields.jsonata_template("Arguments"), fields.jsonata_template("Output"), fields.jsonata_template("Assign")
        )
    return PathFlow(
        input_path=fields.path("InputPath"),
        parameters=fields.template("Parameters", task=task) if parameters else None,
        result_selector=fields.template("ResultSelector"),
        result_path=fields.result_path(),
        output_path=fields.path("OutputPath"),
        assign=fields.template("Assign"),
        names=traced,
    )


def end_of(fields: Fields) -> str | None:
    """Next, or None for End."""
    target, end = fields.text("Next"), fields.values.get("End")
    if "End" in fields and not isinstance(end, bool):
        fields.problem("Value is not a Boolean", "End")
    if target is None and end is not True:
        fields.problem("These fields are required: [Next or End]")
    if target is not None and end is True:
        fields.problem("Only one of the fields [Next, End] can be set")
    return target
