"""SSM parameters of published algorithms: where its source and artefact are, which images and model packages it has."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from pipelines.product import CompiledPipeline
from pipelines.publishing.changes import Action, Change, Kind, Step, unchanged
from pipelines.publishing.publication import Publication

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

LEAVES: Final = ("source", "artifact", "training_image", "inference_image", "industrialmodels")
"""What publishing writes under an algorithm's name. Any other parameter there is somebody else's."""

_BATCH: Final = 10
"""GetParameters and DeleteParameters take no more names at once."""


def values(ssm: "SSMClient", names: Sequence[str]) -> dict[str, str]:
    """Returns the values of some parameters; names without one are left out."""
    by_name: dict[str, str] = {}
    for start in range(0, len(names), _BATCH):
        page = ssm.get_parameters(Names=list(names[start : start + _BATCH]))
        by_name.update({parameter["Name"]: parameter["Value"] for parameter in page["Parameters"]})
    return by_name


def current(publication: Publication) -> dict[str, dict[str, str]]:
    """Returns what publishing wrote: algorithm -> leaf -> value."""
    path = publication.environment.parameter_name("", "").rstrip("/") + "/"
    paginator = publication.clients.ssm.get_paginator("get_parameters_by_path")
    written: dict[str, dict[str, str]] = {}
    for page in paginator.paginate(Path=path, Recursive=True):
        for parameter in page["Parameters"]:
            algorithm, _, leaf = parameter["Name"].removeprefix(path).partition("/")
            if leaf in LEAVES:
                written.setdefault(algorithm, {})[leaf] = parameter["Value"]
    return written


def steps(
    publication: Publication, pipelines: Sequence[CompiledPipeline], written: Mapping[str, Mapping[str, str]]
) -> Iterator[Step]:
    """Yields what is created, updated and left, and what an algorithm had and no longer has."""
    for pipeline in pipelines:
        before, wanted = written.get(pipeline.name, {}), dict(pipeline.parameters)
        for leaf, value in wanted.items():
            name = publication.environment.parameter_name(pipeline.name, leaf)
            if before.get(leaf) == value:
                yield unchanged(Kind.PARAMETER, name)
            else:
                yield _put(publication, name, before.get(leaf), value)
        yield from removals(publication, pipeline.name, [leaf for leaf in before if leaf not in wanted])


def removals(publication: Publication, algorithm: str, leaves: Sequence[str]) -> Iterator[Step]:
    """Yields the ends of parameters that stand."""
    for leaf in leaves:
        name = publication.environment.parameter_name(algorithm, leaf)
        yield Step(
            Change(Kind.PARAMETER, name, Action.DELETE),
            # Unlike DeleteParameter, it says nothing of a parameter that went away meanwhile.
            partial(publication.clients.ssm.delete_parameters, Names=[name]),
        )


def _put(publication: Publication, name: str, before: str | None, value: str) -> Step:
    def put() -> None:
        publication.clients.ssm.put_parameter(Name=name, Value=value, Type="String", Overwrite=True)

    if before is None:
        return Step(Change(Kind.PARAMETER, name, Action.CREATE), put)
    return Step(Change(Kind.PARAMETER, name, Action.UPDATE, "its value"), put)
