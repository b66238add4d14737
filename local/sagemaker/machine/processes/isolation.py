"""Which walls the containers of this SageMaker get: those asked for, or an error."""

from dataclasses import replace

from local.sagemaker.machine.processes import docker
from local.sagemaker.machine.settings import Isolation
from local.sagemaker.wire.errors import IsolationError
from local.walls.boundary import NO_WALLS, Boundary
from local.walls.probing import strongest, weakest


def probe(wanted: str) -> Boundary:
    """Returns the strongest boundary that works. Raises IsolationError where `wanted` is not to be had."""
    kind = Isolation(wanted)
    if kind is Isolation.BASE_DIR:
        return weakest("asked for")
    if kind is Isolation.DOCKER:
        docker.check()
        return replace(NO_WALLS, docker=True, reason="asked for")
    boundary = strongest()
    if kind is Isolation.NAMESPACE and not boundary.namespace:
        raise IsolationError(f"no private /opt/ml on this machine: {boundary.reason}")
    return boundary
