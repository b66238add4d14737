"""AWS as images need it: the account and its region, and the requests of a plan sent to ECR."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cli.commands.images.docker import Docker
from cli.errors import CommandError
from cli.terminal.output import say
from pipelines.container_images.image import ContainerImage
from pipelines.container_images.plan import registries
from pipelines.container_images.requests import Call, login, token
from pipelines.documents import Document


@dataclass(slots=True)
class Aws:
    """Clients by service and region, made when they are first needed: boto3 takes longer to import than to plan."""

    _clients: dict[tuple[str, str | None], Any] = field(default_factory=dict)

    def region(self) -> str | None:
        """Returns the region of the caller's profile; asks nobody. Raises CommandError for one that does not exist."""
        import boto3
        from botocore.exceptions import BotoCoreError

        try:
            return boto3.Session().region_name
        except BotoCoreError as error:
            raise CommandError(str(error)) from error

    def client(self, service: str, region: str | None) -> Any:
        import boto3

        key = (service, region)
        if key not in self._clients:
            # The stubs know services by literal name only; ours arrive as data.
            make: Callable[..., Any] = boto3.client
            self._clients[key] = make(service, region_name=region)
        return self._clients[key]

    def send(self, call: Call, *, unless: str = "") -> Any:
        """Sends a request; returns None for the error code `unless`. Raises CommandError with any other reason."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return getattr(self.client("ecr", call.region), call.operation)(**call.request)
        except ClientError as error:
            if unless and error.response["Error"]["Code"] == unless:
                return None
            raise CommandError(str(error)) from error
        except BotoCoreError as error:
            raise CommandError(str(error)) from error

    def account(self, region: str) -> str:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return str(self.client("sts", region).get_caller_identity()["Account"])
        except (BotoCoreError, ClientError) as error:
            raise CommandError(f"no AWS account to push to: {error}; `--dry-run` needs none") from error


def log_in(client: Docker, aws: Aws, images: Sequence[ContainerImage], *, push: bool) -> None:
    passwords: dict[str, str] = {}
    for registry in registries(images, push=push):
        if registry.region not in passwords:
            passwords[registry.region] = _password(aws.send(token(registry.region)))
        say(f"logging in to {registry.host}")
        client.login(login(registry), passwords[registry.region])


def _password(token: Document) -> str:
    encoded = token["authorizationData"][0]["authorizationToken"]
    return base64.b64decode(encoded).decode().partition(":")[2]
