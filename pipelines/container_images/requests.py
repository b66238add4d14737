"""What is asked of docker and of ECR, as data that can be printed or sent."""

import json
from dataclasses import dataclass

from pipelines.documents import Document


@dataclass(frozen=True, slots=True, order=True)
class Registry:
    """One ECR registry that docker logs in to."""

    host: str
    region: str


@dataclass(frozen=True, slots=True)
class Command:
    """One run of docker."""

    arguments: tuple[str, ...]
    stdin: str = ""
    """What is written to it, in words."""
    when: str = ""

    def __str__(self) -> str:
        return " ".join(("docker", *self.arguments))

    @property
    def remark(self) -> str:
        return self.stdin or self.when


@dataclass(frozen=True, slots=True)
class Call:
    """One request to ECR, by boto3's names."""

    region: str
    operation: str
    request: Document
    when: str = ""

    def __str__(self) -> str:
        """Says it as the AWS CLI would send it."""
        words = ["aws", "ecr", self.operation.replace("_", "-"), "--region", self.region]
        return " ".join([*words, "--cli-input-json", f"'{json.dumps(self.request)}'"] if self.request else words)

    @property
    def remark(self) -> str:
        return self.when


Step = Command | Call


def token(region: str) -> Call:
    """Asks for the password of every registry of a region that the caller may use."""
    return Call(region, "get_authorization_token", {})


def login(registry: Registry) -> Command:
    """Logs docker in to a registry."""
    # By standard input: an argument is for everybody on the machine to read.
    stdin = "the password is what get-authorization-token answers"
    return Command(("login", "--username", "AWS", "--password-stdin", registry.host), stdin)
