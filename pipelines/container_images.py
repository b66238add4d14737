"""The own images of a catalogue as a plan: what each is built from, its names in ECR, and every command and call.

Nothing is done here. `cli/images.py` prints the plan or carries it out with the same requests.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipelines.catalogue import FILE_NAME, Algorithm
from pipelines.documents import Document
from pipelines.environment import Environment
from pipelines.folders import digest
from pipelines.problems import CatalogueError, Problem, expected
from pipelines.staging.images import built_images

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
_ARG = re.compile(r"^\s*ARG\s+(\w+)=(\S+)", re.IGNORECASE | re.MULTILINE)
_FROM = re.compile(r"^\s*(?:FROM\s+(?:--\S+\s+)*|COPY\s+(?:--\S+\s+)*--from=)(\S+)", re.IGNORECASE | re.MULTILINE)
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::-([^}]*))?\}|(\w+))")
_ECR = re.compile(r"([0-9]{12}\.dkr\.ecr(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?)/")


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


def token(region: str) -> Call:
    """Asks for the password of every registry of a region that the caller may use."""
    return Call(region, "get_authorization_token", {})


def login(registry: Registry) -> Command:
    """Logs docker in to a registry."""
    # By standard input: an argument is for everybody on the machine to read.
    stdin = "the password is what get-authorization-token answers"
    return Command(("login", "--username", "AWS", "--password-stdin", registry.host), stdin)


def plan_images(algorithms: Sequence[Algorithm], environment: Environment) -> tuple[ContainerImage, ...]:
    """Returns every own image, by repository. Raises CatalogueError naming each folder without a Dockerfile."""
    planned: dict[str, ContainerImage] = {}
    problems = []
    for algorithm in algorithms:
        for key, name, folder in built_images(algorithm):
            dockerfile = folder / "Dockerfile"
            if not dockerfile.is_file():
                where = f"{algorithm.folder.parent.name}/{algorithm.name}/{FILE_NAME}"
                place = folder.relative_to(algorithm.folder).as_posix()
                problems.append(Problem(where, key, expected("a folder with a Dockerfile", place)))
                continue
            bases = ecr_registries(dockerfile.read_text("utf-8"))
            planned[name] = ContainerImage(name, folder, digest(folder), environment, bases)
    if problems:
        raise CatalogueError(dict.fromkeys(problems))
    return tuple(planned[name] for name in sorted(planned))


def ecr_registries(dockerfile: str) -> tuple[Registry, ...]:
    """Returns the registries of ECR in a Dockerfile's FROM and COPY --from, its arguments' defaults filled in."""
    lines = re.sub(r"\\\r?\n", " ", dockerfile)
    defaults = {name: value.strip("\"'") for name, value in _ARG.findall(lines)}

    def value(variable: re.Match[str]) -> str:
        return str(defaults.get(variable[1] or variable[3], variable[2] or ""))

    images = (_VARIABLE.sub(value, image) for image in _FROM.findall(lines))
    matches = (_ECR.match(image) for image in images)
    return tuple(sorted({Registry(match[1], match[2]) for match in matches if match}))


def registries(images: Sequence[ContainerImage], *, push: bool) -> tuple[Registry, ...]:
    """Says where docker has to be logged in to build some images, and to push them."""
    bases = {base for image in images for base in image.bases}
    return tuple(sorted(bases | {image.registry for image in images} if push else bases))


def steps(images: Sequence[ContainerImage], *, push: bool) -> Iterator[Step]:
    """Yields everything that would be done for some images, in order; `when` says on what it depends."""
    absent = "the content is not in ECR yet" if push else ""
    if push:
        for image in images:
            yield from _preparation(image)
    asked: set[str] = set()
    for registry in registries(images, push=push):
        if registry.region not in asked:
            yield token(registry.region)
            asked.add(registry.region)
        yield login(registry)
    for image in images:
        for command in (image.build, *(image.pushes if push else ())):
            yield Command(command.arguments, when=absent)


def _preparation(image: ContainerImage) -> Iterator[Call]:
    yield image.description
    yield image.creation
    for asking, writing in image.policies:
        yield asking
        yield writing
    yield image.inspection
    yield image.reading
    yield image.move("<manifest of the content>", "<its media type>")
