"""Images of text with what they say: a folder, or an archive in it, with `labels.txt` in PaddleOCR's own form.

One line an image: its path, a tab, its text. Runs on the standard library alone, as the processing image has no more.
"""

from __future__ import annotations

import random
import shutil
import tarfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from job import Problem

LABELS = "labels.txt"
PRETRAINED = "pretrained_models"
FEWEST = 20
LARGEST = 2_000_000_000
_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")


class Sample(NamedTuple):
    """`image` is relative to the folder of the labels."""

    image: str
    text: str


def unpacked(folder: Path, aside: Path) -> Path:
    """The folder with labels.txt: in `folder`, or in the archive that lies there, which is unpacked to `aside`."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in files:
        if path.suffix == ".zip" or path.name.endswith((".tar.gz", ".tgz", ".tar")):
            _unpack(path, aside)
    found = sorted(path.parent for root in (aside, folder) for path in root.rglob(LABELS))
    if not found:
        names = ", ".join(path.name for path in files[:10]) or "nothing"
        raise Problem(f"The dataset has no {LABELS} (path, tab, text; one line an image): found {names}.")
    return found[0]


def read(folder: Path) -> list[Sample]:
    """The samples that labels.txt lists. Problem: a line, or an image, that cannot be used."""
    samples = []
    try:
        lines = (folder / LABELS).read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"{LABELS} cannot be read as UTF-8: {error}.") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            samples.append(_sample(folder, number, line))
    return samples


def split(samples: Sequence[Sample], fraction: float, seed: int) -> tuple[list[Sample], list[Sample]]:
    """(train, test), the same way each time for one seed."""
    if len(samples) < FEWEST:
        raise Problem(f"The dataset has too few images: {len(samples)}; at least {FEWEST} are needed.")
    order = list(samples)
    random.Random(seed).shuffle(order)
    held_out = min(max(1, round(len(order) * fraction)), len(order) - 1)
    return sorted(order[held_out:]), sorted(order[:held_out])


def write(samples: Iterable[Sample], source: Path, target: Path) -> None:
    """The images and their labels.txt."""
    lines = []
    for sample in samples:
        place = target / sample.image
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / sample.image, place)
        lines.append(f"{sample.image}\t{sample.text}\n")
    target.mkdir(parents=True, exist_ok=True)
    (target / LABELS).write_text("".join(lines), "utf-8")


def _sample(folder: Path, number: int, line: str) -> Sample:
    name, tab, text = line.partition("\t")
    if not tab or not text:
        raise Problem(f"{LABELS}, line {number}: expected a path, a tab and a text, found {line[:60]!r}.")
    place = folder / name
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or not place.is_file():
        raise Problem(f"{LABELS}, line {number}: there is no image {name}.")
    with place.open("rb") as file:
        start = file.read(8)
    if not start.startswith(_MAGIC):
        raise Problem(f"{LABELS}, line {number}: {name} is no PNG and no JPEG.")
    return Sample(name, text)


def _unpack(archive: Path, folder: Path) -> None:
    try:
        if archive.suffix == ".zip":
            with zipfile.ZipFile(archive) as packed:
                _fits(archive, sum(member.file_size for member in packed.infolist()))
                packed.extractall(folder)  # which leaves out what leads out of the folder
        else:
            with tarfile.open(archive) as packed:
                members = [member for member in packed.getmembers() if _is_plain(member)]
                _fits(archive, sum(member.size for member in members))
                # Pythons that know filters want one named; the members are plain files that stay inside already.
                safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
                packed.extractall(folder, members, **safely)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError) as error:
        raise Problem(f"{archive.name} cannot be unpacked: {error}.") from error


def _is_plain(member: tarfile.TarInfo) -> bool:
    path = PurePosixPath(member.name)
    return (member.isfile() or member.isdir()) and not path.is_absolute() and ".." not in path.parts


def _fits(archive: Path, size: int) -> None:
    if size > LARGEST:
        raise Problem(f"{archive.name} unpacks to {size / 1e6:.0f} MB; the limit is {LARGEST / 1e6:.0f} MB.")
