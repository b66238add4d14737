"""SageMaker pipelines: one for each algorithm that has a definition, compared with what DescribePipeline tells."""

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from pipelines.definition.document import steps_of
from pipelines.documents import Document
from pipelines.product import CompiledPipeline
from pipelines.publishing.changes import Action, Change, Kind, Step, unchanged
from pipelines.publishing.publication import Publication, is_missing

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import TagTypeDef

_NAMED_AT_MOST: Final = 6
_RUNNING: Final = ("Executing", "Stopping")


@dataclass(frozen=True, slots=True)
class Described:
    """A pipeline as it stands."""

    definition: str
    role: str


def listed(publication: Publication) -> frozenset[str]:
    """Returns the names of this stage's pipelines."""
    prefix = publication.environment.prefix
    paginator = publication.clients.sagemaker.get_paginator("list_pipelines")
    # A prefix may not end with a dash there, so stages whose names begin with this one's are listed, too.
    pages = paginator.paginate(PipelineNamePrefix=prefix)
    names = (item["PipelineName"] for page in pages for item in page["PipelineSummaries"])
    return frozenset(name for name in names if name.startswith(f"{prefix}-"))


def described(publication: Publication, name: str) -> Described | None:
    """Returns one pipeline, or None when it went away meanwhile."""
    try:
        description = publication.clients.sagemaker.describe_pipeline(PipelineName=name)
    except ClientError as error:
        if not is_missing(error):
            raise
        return None
    return Described(description.get("PipelineDefinition", ""), description.get("RoleArn", ""))


def is_running(publication: Publication, name: str) -> bool:
    """Tells whether one of a pipeline's newest hundred executions has not ended."""
    page = publication.clients.sagemaker.list_pipeline_executions(PipelineName=name, MaxResults=100)
    return any(execution.get("PipelineExecutionStatus") in _RUNNING for execution in page["PipelineExecutionSummaries"])


def steps(
    publication: Publication,
    pipelines: Sequence[CompiledPipeline],
    standing: Mapping[str, Described],
    tags: Mapping[str, Mapping[str, str]],
) -> Iterator[Step]:
    """Yields what is created, updated and left; `tags` are those that publishing put on, by algorithm: others stay."""
    for pipeline in pipelines:
        name, definition = pipeline.pipeline_name, pipeline.definition
        if name is None or definition is None:
            continue
        if name in standing:
            yield _updated(
                publication, name, definition, standing[name], _Tags(dict(pipeline.tags), tags.get(pipeline.name, {}))
            )
        else:
            yield _created(publication, name, definition, dict(pipeline.tags))


def removals(publication: Publication, names: Sequence[str]) -> Iterator[Step]:
    """Yields the ends of pipelines that stand."""
    for name in names:
        change = Change(Kind.PIPELINE, name, Action.DELETE, "and the records of its executions")
        yield Step(change, partial(_delete, publication, name))


@dataclass(frozen=True, slots=True)
class _Tags:
    """The tags that are wanted, and those that publishing put on the last time."""

    wanted: Mapping[str, str]
    before: Mapping[str, str]

    @property
    def gone(self) -> list[str]:
        return sorted(self.before.keys() - self.wanted.keys())


def _created(publication: Publication, name: str, definition: str, tags: Mapping[str, str]) -> Step:
    def create() -> None:
        publication.clients.sagemaker.create_pipeline(
            PipelineName=name,
            PipelineDefinition=definition,
            RoleArn=publication.environment.pipeline_role_arn,
            ClientRequestToken=str(uuid.uuid4()),
            Tags=_listed_tags(tags),
        )

    return Step(Change(Kind.PIPELINE, name, Action.CREATE, size=len(definition.encode())), create)


def _updated(publication: Publication, name: str, definition: str, standing: Described, tags: _Tags) -> Step:
    role = publication.environment.pipeline_role_arn
    differing = [*_differences(standing.definition, definition)]
    if standing.role != role:
        differing.append("role")
    retagged = tags.wanted != tags.before
    if not differing and not retagged:
        return unchanged(Kind.PIPELINE, name)

    def update() -> None:
        if differing:
            publication.clients.sagemaker.update_pipeline(
                PipelineName=name, PipelineDefinition=definition, RoleArn=role
            )
        if retagged:
            _retag(publication, name, tags)

    detail = _enumerated([*differing, "tags"] if retagged else differing)
    return Step(Change(Kind.PIPELINE, name, Action.UPDATE, detail, len(definition.encode())), update)


def _retag(publication: Publication, name: str, tags: _Tags) -> None:
    sagemaker, arn = publication.clients.sagemaker, publication.environment.arn("sagemaker", f"pipeline/{name}")
    if tags.gone:
        sagemaker.delete_tags(ResourceArn=arn, TagKeys=tags.gone)
    if tags.wanted:
        sagemaker.add_tags(ResourceArn=arn, Tags=_listed_tags(tags.wanted))


def _listed_tags(tags: Mapping[str, str]) -> list["TagTypeDef"]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def _delete(publication: Publication, name: str) -> None:
    try:
        publication.clients.sagemaker.delete_pipeline(PipelineName=name, ClientRequestToken=str(uuid.uuid4()))
    except ClientError as error:
        if not is_missing(error):
            raise


def _differences(current: str, wanted: str) -> Iterator[str]:
    """Yields what another definition changes: `step Train`, `+ step Transform`, `parameter max_depth`."""
    if current == wanted:
        return
    before, after = _parts(current), _parts(wanted)
    for part in dict.fromkeys((*after, *before)):
        if part not in before:
            yield f"+ {part}"
        elif part not in after:
            yield f"- {part}"
        elif before[part] != after[part]:
            yield part


def _parts(text: str) -> Document:
    """Returns a definition as parts that have a name."""
    try:
        definition = json.loads(text)
        return {
            **{f"step {step['Name']}": _alone(step) for step in steps_of(definition)},
            **{f"parameter {parameter['Name']}": parameter for parameter in definition.pop("Parameters", [])},
            **{key: value for key, value in definition.items() if key != "Steps"},
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        # Not of our making: it stands for something else as a whole.
        return {"definition": text}


def _alone(step: Document) -> Document:
    """Returns a step without the steps of its branches, which are parts of their own."""
    if step["Type"] != "Condition":
        return step
    branches = {key: [below["Name"] for below in step["Arguments"][key]] for key in ("IfSteps", "ElseSteps")}
    return {**step, "Arguments": {**step["Arguments"], **branches}}


def _enumerated(parts: Sequence[str]) -> str:
    more = len(parts) - _NAMED_AT_MOST
    return ", ".join([*parts[:_NAMED_AT_MOST], f"{more} more"] if more > 0 else parts)
