"""The session that the SDK compiles with: one account that is nobody's, and no call that reaches a socket."""

from functools import cache
from typing import Any, NoReturn

import boto3
from sagemaker.workflow.pipeline_context import PipelineSession

from pipelines.environment import Environment
from pipelines.problems import CompileError

_SETTINGS: dict[str, Any] = {
    "SchemaVersion": "1.0",
    "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}},
}


class _OneClient(boto3.Session):
    """A session that makes a client of a service once: the SDK asks for two with every pipeline, and uses neither."""

    def __init__(self, region: str) -> None:
        super().__init__("offline", "offline", region_name=region)
        self.events.register("before-send", _refuse)
        self._made: dict[str, Any] = {}

    def client(self, service_name: str, *arguments: Any, **settings: Any) -> Any:
        make: Any = super().client
        if arguments or settings.keys() - {"region_name"}:
            return make(service_name, *arguments, **settings)
        if service_name not in self._made:
            self._made[service_name] = make(service_name)
        return self._made[service_name]


class OfflineSession(PipelineSession):  # type: ignore[misc]  # the SDK has no types
    """A PipelineSession whose AWS calls all fail, with the operation's name, before they reach a socket."""

    def __init__(self, environment: Environment) -> None:
        self._bucket_of_artifacts = environment.artifacts_bucket
        session = _OneClient(environment.region)
        # Some of the SDK asks boto3 itself for its clients.
        boto3.DEFAULT_SESSION = session
        super().__init__(boto_session=session, sagemaker_config=_SETTINGS)

    def default_bucket(self) -> str:
        """Returns the artifacts bucket, without asking whether it is there."""
        return self._bucket_of_artifacts


@cache
def session(environment: Environment) -> OfflineSession:
    # Making a session loads four service models, 0.3 s; one serves every pipeline of a process.
    return OfflineSession(environment)


def _refuse(request: Any, **_: object) -> NoReturn:
    raise CompileError(f"the SDK tried to call AWS while compiling: {request.method} {request.url}")
