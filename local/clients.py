"""boto3 clients that reach the local cloud and nothing else."""

import os
import threading
from collections.abc import Callable, MutableMapping
from typing import Any

import boto3
from botocore.config import Config

from local.settings import REGION

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def leave_accounts(environment: MutableMapping[str, str] = os.environ) -> None:
    """Takes out what leads a client astray, before the first session looks: it may name a profile that there is not.

    A proxy stays, which installers need; nobody asks it for this machine.
    """
    for name in [name for name in environment if name.startswith("AWS_")]:
        del environment[name]
    environment["AWS_CONFIG_FILE"] = environment["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    for name in ("NO_PROXY", "no_proxy"):
        hosts = [host.strip() for host in environment.get(name, "").split(",") if host.strip()]
        environment[name] = ",".join([*hosts, *(host for host in _LOOPBACK if host not in hosts)])


class LocalClients:
    """Clients of one local endpoint; thread-safe, each service made once."""

    def __init__(self, endpoint: str) -> None:
        session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)
        # The stubs know services by literal name only; ours arrive as data.
        self._make: Callable[..., Any] = session.client
        self._config = Config(
            s3={"addressing_style": "path"},
            retries={"total_max_attempts": 2},
            connect_timeout=5,
            read_timeout=900,
            max_pool_connections=64,
            inject_host_prefix=False,
        )
        self._endpoint = endpoint
        self._clients: dict[str, Any] = {}
        # Session.client is not safe to call from two threads at once; a finished client is.
        self._lock = threading.Lock()

    def client(self, service: str) -> Any:
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._make(service, endpoint_url=self._endpoint, config=self._config)
            return self._clients[service]
