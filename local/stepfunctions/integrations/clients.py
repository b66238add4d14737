"""The clients that a task calls services with: the machine's own, or those of a role that the task names."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from local.documents import Json
from local.stepfunctions.asl import errors
from local.stepfunctions.integrations.task import TaskError, Unreachable

ClientOf = Callable[[str], Any]
"""A boto3 client by botocore's name of the service."""

_MARGIN_SECONDS = 60.0


@dataclass(slots=True)
class _Assumed:
    session: Any
    until: float
    clients: dict[str, Json] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Making a client is not safe in two threads at once; a made client is."""


class Clients:
    """Clients by role; the sessions of assumed roles are kept until they expire."""

    def __init__(self, own: ClientOf) -> None:
        self._own = own
        self._assumed: dict[str, _Assumed] = {}
        self._lock = threading.Lock()

    def of(self, role: str | None) -> ClientOf:
        """Raises TaskError for a role that cannot be assumed."""
        if role is None:
            return self._own
        with self._lock:
            assumed = self._assumed.get(role)
        if assumed is None or assumed.until < time.time():
            assumed = self._assume(role)
            with self._lock:
                self._assumed[role] = assumed
        return lambda service: self._client(assumed, service)

    def close(self) -> None:
        """Closes the clients of assumed roles; the machine's own belong to the world."""
        with self._lock:
            assumed, self._assumed = list(self._assumed.values()), {}
        for role in assumed:
            for client in role.clients.values():
                client.close()

    def _assume(self, role: str) -> _Assumed:
        sts = self._own("sts")
        try:
            credentials: Mapping[str, Json] = sts.assume_role(RoleArn=role, RoleSessionName="states")["Credentials"]
        except ClientError as error:
            message = error.response.get("Error", {}).get("Message", "")
            raise TaskError(
                errors.TASK_FAILED, f"The role {role} could not be assumed for the task state: {message}"
            ) from error
        except BotoCoreError as error:
            raise Unreachable(errors.TASK_FAILED, str(error)) from error
        session = boto3.Session(
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
            region_name=sts.meta.region_name,
        )
        return _Assumed(session, credentials["Expiration"].timestamp() - _MARGIN_SECONDS)

    def _client(self, assumed: _Assumed, service: str) -> Any:
        with assumed.lock:
            if service not in assumed.clients:
                alike = self._own(service).meta
                assumed.clients[service] = assumed.session.client(
                    service, endpoint_url=alike.endpoint_url, config=alike.config
                )
            return assumed.clients[service]
