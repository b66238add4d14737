"""One own image of one deployment: its names in ECR, and every request about it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipelines.container_images.requests import Call, Command, Registry
from pipelines.documents import Document
from pipelines.environment import Environment

LATEST: Final = "latest"
UNTAGGED_KEPT: Final = 10
"""Images without a tag that a repository keeps, the newest: what was pushed twice under one content, with --rebuild."""

MANIFEST_TYPES: Final = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
)
RUNNABLE: Final = MANIFEST_TYPES[0]
"""The one manifest that SageMaker takes for endpoints: it refuses OCI manifests and indexes."""

_MOVED: Final = "the content is in ECR and latest is another"


@dataclass(frozen=True, slots=True)
class ContainerImage:
    """One own image of one deployment."""

    repository: str
    folder: Path
    content_sha256: str
    environment: Environment
    bases: tuple[Registry, ...]
    """The registries of ECR that the Dockerfile takes images from."""

    @property
    def tag(self) -> str:
        """The tag that says what the image was built from."""
        return f"sha256-{self.content_sha256[:16]}"

    @property
    def registry(self) -> Registry:
        """Where it is pushed to."""
        host = self.environment.image_uri(self.repository).partition("/")[0]
        return Registry(host, self.environment.region)

    def uri(self, tag: str = LATEST) -> str:
        """Returns its full name under a tag."""
        return f"{self.registry.host}/{self.repository}:{tag}"

    @property
    def description(self) -> Call:
        return self._call("describe_repositories", {"repositoryNames": [self.repository]})

    @property
    def creation(self) -> Call:
        request = {
            "repositoryName": self.repository,
            "imageTagMutability": "MUTABLE",
            "imageScanningConfiguration": {"scanOnPush": True},
            "encryptionConfiguration": {"encryptionType": "AES256"},
            "tags": [{"Key": "project", "Value": "headrace"}],
        }
        return self._call("create_repository", request, "there is no such repository")

    @property
    def policies(self) -> tuple[tuple[Call, Call], ...]:
        """What is asked for, and what is written where there is none: another's policy is left alone."""
        name = {"repositoryName": self.repository}
        pull = {**name, "policyText": json.dumps(pull_policy(self.environment))}
        lifecycle = {**name, "lifecyclePolicyText": json.dumps(LIFECYCLE)}
        missing = "the repository has none"
        return (
            (self._call("get_repository_policy", name), self._call("set_repository_policy", pull, missing)),
            (self._call("get_lifecycle_policy", name), self._call("put_lifecycle_policy", lifecycle, missing)),
        )

    @property
    def inspection(self) -> Call:
        """Whether the content is there, and under which other tags."""
        request = {"repositoryName": self.repository, "imageIds": [{"imageTag": self.tag}]}
        return self._call("describe_images", request)

    @property
    def reading(self) -> Call:
        """The manifest of the content."""
        request = {
            "repositoryName": self.repository,
            "imageIds": [{"imageTag": self.tag}],
            "acceptedMediaTypes": list(MANIFEST_TYPES),
        }
        return self._call("batch_get_image", request, _MOVED)

    def move(self, manifest: str, media_type: str) -> Call:
        """`latest` to an image that is there already."""
        request = {
            "repositoryName": self.repository,
            "imageTag": LATEST,
            "imageManifest": manifest,
            "imageManifestMediaType": media_type,
        }
        return self._call("put_image", request, _MOVED)

    @property
    def build(self) -> Command:
        # SageMaker runs no image index and no OCI manifest: no attestations, and Docker's own format.
        how = ("--platform", "linux/amd64", "--provenance=false", "--output", "type=docker", "--progress", "plain")
        names = (word for tag in (self.tag, LATEST) for word in ("--tag", self.uri(tag)))
        return Command(("buildx", "build", *how, *names, str(self.folder)))

    @property
    def pushes(self) -> tuple[Command, ...]:
        """Content first: a push that ends between the two is finished by moving `latest`."""
        return tuple(Command(("push", self.uri(tag))) for tag in (self.tag, LATEST))

    def _call(self, operation: str, request: Document, when: str = "") -> Call:
        return Call(self.environment.region, operation, request, when)


LIFECYCLE: Final = {
    "rules": [
        {
            "rulePriority": 1,
            "description": f"Untagged images beyond the newest {UNTAGGED_KEPT}",
            "selection": {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": UNTAGGED_KEPT},
            "action": {"type": "expire"},
        }
    ]
}


def pull_policy(environment: Environment) -> Document:
    """SageMaker of this account may pull. The service's principal is the same in every partition, its ARNs are not."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "SageMakerPulls",
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
                "Condition": {
                    "StringEquals": {"aws:SourceAccount": environment.account},
                    "ArnLike": {"aws:SourceArn": environment.arn("sagemaker", "*")},
                },
            }
        ],
    }
