"""What was done for images, as it is told."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.project.checkout import Project
from cli.terminal.output import out, print_json
from pipelines.container_images.image import ContainerImage
from pipelines.documents import Document


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done for one image."""

    image: ContainerImage
    did: tuple[str, ...] = ()
    done: bool = False
    """Whether nothing is left to build."""

    def __add__(self, more: tuple[str, ...]) -> "Outcome":
        return Outcome(self.image, self.did + more, self.done)


def print_outcomes(project: Project, outcomes: Sequence[Outcome], as_json: bool) -> None:
    if as_json:
        print_json({"images": [described(outcome.image, project.root) | {"did": outcome.did} for outcome in outcomes]})
        return
    for outcome in outcomes:
        out.print(f"{outcome.image.uri(outcome.image.tag)}  {', '.join(outcome.did) or 'is there'}", markup=False)


def described(image: ContainerImage, root: Path) -> Document:
    return {
        "repository": image.repository,
        "folder": image.folder.relative_to(root).as_posix(),
        "content_sha256": image.content_sha256,
        "uris": [image.uri(image.tag), image.uri()],
    }
