"""`headrace algorithms list`: a line for each algorithm."""

from cli.commands.algorithms.resolving import Resolved, resolve
from cli.project.catalogue import catalogue_of
from cli.project.checkout import find_project
from cli.terminal.options import AsJson
from cli.terminal.output import print_json, table
from pipelines.spec import AlgorithmSpec, Framework


def list_algorithms(as_json: AsJson = False) -> None:
    """List every algorithm, what it can do, and whether it runs on this machine."""
    project = find_project()
    catalogue = resolve(project, catalogue_of(project))
    if as_json:
        print_json([{**algorithm.document(), "local": algorithm.local()} for algorithm in catalogue])
        return
    table(("ALGORITHM", "TITLE", "TRAINS", "SERVES", "RUNS ON", "UPLOADS", "LOCAL"), map(_row, catalogue))


def _row(algorithm: Resolved) -> tuple[str, ...]:
    spec = algorithm.spec
    return (
        spec.name,
        spec.title,
        "yes" if spec.trainable else "no",
        "chained" if spec.chain else spec.deploy.mode.value,
        _runs_on(spec),
        spec.trigger.pattern if spec.trainable else "",
        f"no: {algorithm.obstacle}" if algorithm.obstacle else "yes",
    )


def _runs_on(spec: AlgorithmSpec) -> str:
    if spec.chain is not None:
        return f"{spec.chain.detect.algorithm}, {spec.chain.read.algorithm}"
    if spec.framework is None:
        return "own image"
    serving = spec.framework.serving
    runs = dict.fromkeys(map(_framework, (spec.framework, serving)))
    return ", ".join(runs) if spec.trainable else _framework(serving)


def _framework(framework: Framework) -> str:
    return f"{framework.name.value} {framework.transformers_version or framework.version}"
