"""docs/sagemaker.md says what is run: its tables are what the code has.

`python -m tests.agreement.test_sagemaker_doc` writes them anew.
"""

from collections.abc import Iterator
from pathlib import Path

from local.sagemaker.operations import OF_ENDPOINTS, OF_EXECUTIONS, OF_JOBS, OF_MACHINE
from local.sagemaker.pipelines import steps, supplied
from local.sagemaker.pipelines.kinds import StepType
from local.sagemaker.wire import shapes
from local.wire import model

OPERATIONS = (*OF_JOBS, *OF_MACHINE, *OF_ENDPOINTS, *OF_EXECUTIONS)
DOC = Path(__file__).resolve().parents[2] / "docs" / "sagemaker.md"
_RESOURCES = (
    "HyperParameterTuningJob", "TrainingJob", "ProcessingJob", "TransformJob", "ModelPackage", "Model",
    "EndpointConfig", "Endpoint", "Pipeline", "Search", "Tag", "",
)  # fmt: skip


def operations() -> Iterator[str]:
    """A row a resource, in the order of `operations.py`; a name with none of these words is a row without one."""
    rows: dict[str, list[str]] = {}
    for name in OPERATIONS:
        rows.setdefault(next(resource for resource in _RESOURCES if resource in name), []).append(name)
    yield "| resource | operations that run |"
    yield "|---|---|"
    for resource, names in rows.items():
        yield f"| {resource} | {', '.join(names)} |"
    runtime = ", ".join(sorted(model("sagemaker-runtime").operation_names))
    yield f"| (sagemaker-runtime) | {runtime} |"
    yield ""
    count = len(shapes.model().operation_names)
    yield f"Every other of the {count} operations in botocore's model is answered UnknownOperationException."


def step_types() -> Iterator[str]:
    """A row a step type."""
    yield "| step type | |"
    yield "|---|---|"
    for kind in StepType:
        work = steps._WORK.get(kind, supplied.run)
        yield f"| {kind.value} | {'fails, unless `steps.yaml` gives a command' if work is supplied.run else 'runs'} |"


GENERATED = {"operations": operations, "step types": step_types}


def written() -> str:
    """The page with its tables as they should be."""
    text = DOC.read_text()
    for name, rows in GENERATED.items():
        begin, end = f"<!-- {name}: from the code -->\n", f"<!-- end of {name} -->"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        assert after, f"{DOC.name} has no place for the table of {name}"
        text = before + begin + "\n" + "\n".join(rows()) + "\n\n" + end + after
    return text


def test_the_tables_of_the_page_are_what_the_code_has() -> None:
    assert DOC.read_text() == written(), "python -m tests.agreement.test_sagemaker_doc writes them anew"


def test_every_operation_that_runs_is_one_of_aws() -> None:
    assert set(OPERATIONS) <= set(shapes.model().operation_names)


if __name__ == "__main__":
    DOC.write_text(written())
