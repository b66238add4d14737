"""Step caching: what earlier runs of a step left, by what they were run with.

As on AWS, it is the arguments that are compared, not what lies behind them: new content under the same S3 location is
a hit, and so are other outputs, for where a step writes is no part of its key.
"""

import hashlib
import json
from collections.abc import Mapping

from local.documents import Document, Json
from local.sagemaker.machine.machine import Machine
from local.sagemaker.pipelines.definition import Step
from local.sagemaker.pipelines.kinds import BESIDE
from local.store import now

KIND = "pipeline-step-cache"
# Of a tuning step's training job definitions.
_DEFINITION_KEY = (
    "AlgorithmSpecification", "HyperParameterRanges", "InputDataConfig", "StaticHyperParameters", "TuningObjective",
)  # fmt: skip


def key(step: Step, arguments: Mapping[str, Json], beside: Mapping[str, Json]) -> str:
    """Returns the key of a step whose expressions are replaced; `beside` stands beside its Arguments. Pure."""
    wanted = step.kind.key or ()
    kept = {name: _kept(name, value) for name, value in arguments.items() if not wanted or name in wanted}
    text = json.dumps([step.type, kept, {} if wanted else beside], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _kept(name: str, value: Json) -> Json:
    if name == "TrainingJobDefinition":
        return _definition(value)
    if name == "TrainingJobDefinitions":
        return [_definition(definition) for definition in value]
    return value


def _definition(value: Mapping[str, Json]) -> Mapping[str, Json]:
    return {name: value[name] for name in _DEFINITION_KEY if name in value}


def beside(body: Mapping[str, Json]) -> Document:
    return {name: body[name] for name in BESIDE if name in body}


def find(machine: Machine, pipeline: str, step: Step, cache_key: str) -> Document | None:
    """Returns the last run of this step with that key, unless it is too old."""
    seconds = step.cache_seconds
    run = machine.store.get(KIND, _name(pipeline, step, cache_key)) if seconds is not None else None
    return run if run is not None and seconds is not None and now() - run["EndTime"] < seconds else None


def keep(machine: Machine, pipeline: str, step: Step, cache_key: str, run: Document) -> None:
    """Keeps a run; call in the transaction that ends the step. `run`: ExecutionArn, EndTime, Metadata, Properties."""
    machine.store.put(KIND, _name(pipeline, step, cache_key), run)


def _name(pipeline: str, step: Step, cache_key: str) -> str:
    return f"{pipeline}/{step.name}/{cache_key}"
