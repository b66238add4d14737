"""What several algorithms ship and stands once: the files of `algorithms/_shared/`, copied where its copies.yaml says.

An algorithm's folder travels alone, to S3 or into an image, so it has all its files; edited is the one in `_shared`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from pipelines.problems import CatalogueError, Problem, expected

FOLDER: Final = "_shared"
"""No algorithm's name: a name that begins with an underscore is none."""
_LIST: Final = "copies.yaml"


@dataclass(frozen=True, slots=True)
class Copy:
    """A file, and where a copy of it stands."""

    source: Path
    place: Path

    @property
    def differs(self) -> bool:
        """Whether the copy is missing or is not what its source is."""
        return not self.place.is_file() or self.place.read_bytes() != self.source.read_bytes()


def write_copies(catalogue: Path) -> tuple[Path, ...]:
    """Writes each copy that differs from its source and returns those. Raises CatalogueError for a wrong list."""
    differing = [copy for copy in copies(catalogue) if copy.differs]
    for copy in differing:
        copy.place.write_bytes(copy.source.read_bytes())
    return tuple(copy.place for copy in differing)


def check_copies(catalogue: Path) -> tuple[str, ...]:
    """Returns a line for each copy that differs from its source. Raises CatalogueError for a wrong list."""
    root = catalogue.parent
    return tuple(
        f"{copy.place.relative_to(root)}: differs from {copy.source.relative_to(root)}, which is copied over it"
        for copy in copies(catalogue)
        if copy.differs
    )


def copies(catalogue: Path) -> tuple[Copy, ...]:
    """Returns every copy that a folder of algorithms has to have. Raises CatalogueError for a wrong list."""
    listing = catalogue / FOLDER / _LIST
    if not listing.is_file():
        return ()
    file = f"{catalogue.name}/{FOLDER}/{_LIST}"
    if problems := [Problem(file, key, text) for key, text in _problems(catalogue, _listed(listing))]:
        raise CatalogueError(problems)
    return tuple(
        Copy(catalogue / FOLDER / name, catalogue / folder / name)
        for name, folders in _listed(listing).items()
        for folder in folders
    )


def _listed(listing: Path) -> dict[str, list[str]]:
    """Returns the folders that have a copy, by the name of the file."""
    listed: dict[str, list[str]] = yaml.safe_load(listing.read_text("utf-8"))
    return listed


def _problems(catalogue: Path, listed: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    for name, folders in listed.items():
        if not (catalogue / FOLDER / name).is_file():
            yield name, expected(f"a file of {FOLDER}/", name)
        for index, folder in enumerate(folders):
            if not (catalogue / folder).is_dir():
                yield f"{name}[{index}]", expected("a folder of an algorithm", folder)
