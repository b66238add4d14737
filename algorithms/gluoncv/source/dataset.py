"""Images with a class each: from an uploaded archive or folder, checked, and split into train, val and test.

Either there are folders train/, val/ and test/ with a folder a class in them, or only the folders of the classes, which
are split here. The scripts of this folder run on the Python 3.8 of AWS's MXNet image, too.
"""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from job import Problem
from PIL import Image, UnidentifiedImageError

LARGEST_INPUT_MB = float(os.environ.get("MAX_INPUT_MB", "4096"))
SPLITS = ("train", "val", "test")
WEIGHTS = "pretrained.params"
ENDINGS = (".png", ".jpg", ".jpeg")
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
FEWEST_PER_CLASS = 3


class File(NamedTuple):
    """A file of the upload: its path there, and its bytes."""

    path: PurePosixPath
    content: bytes


def read(folder: Path) -> list[File]:
    """Every file that the upload holds: what stands in `folder`, archives unpacked. Problem: nothing, or too much."""
    files = [one for path in sorted(folder.rglob("*")) if path.is_file() for one in _files(path, folder)]
    wanted = [one for one in files if not any(part.startswith((".", "__")) for part in one.path.parts)]
    if not wanted:
        raise Problem(f"The dataset is empty: send folders of images, or one of them as {', '.join(ARCHIVES)}.")
    return wanted


def weights(files: list[File]) -> bytes | None:
    """The parameters file of the upload, which training begins from. Problem: several."""
    found = [one for one in files if one.path.suffix == ".params"]
    if len(found) > 1:
        raise Problem(f"The dataset holds {len(found)} .params files, and training begins from one.")
    return found[0].content if found else None


def classes(files: list[File]) -> dict[str, dict[str, list[File]]]:
    """Part -> class -> images; under `all` where the upload is not split. Problem: an image that cannot be read."""
    images = [one for one in files if one.path.suffix.lower() in ENDINGS]
    if not images:
        raise Problem(f"The dataset holds no image ({', '.join(ENDINGS)}): found {files[0].path}.")
    found: dict[str, dict[str, list[File]]] = {}
    for one in images:
        if len(one.path.parts) < 2:
            raise Problem(f"{one.path} is in no folder: an image's folder is its class.")
        split, name = "all", one.path.parts[-2]
        if len(one.path.parts) > 2 and one.path.parts[-3] in SPLITS:
            split = one.path.parts[-3]
        _check(one)
        found.setdefault(split, {}).setdefault(name, []).append(one)
    if "all" in found and len(found) > 1:
        odd = next(iter(found.pop("all").values()))[0].path
        raise Problem(f"The dataset has the folders {', '.join(sorted(found))}, and {odd} outside them.")
    return found


def split(every: dict[str, list[File]], held_out: dict[str, float], seed: int) -> dict[str, dict[str, list[File]]]:
    """Each class in its shares, the same way each time for one seed. Problem: a class with too few images."""
    random = np.random.default_rng(seed)
    parts: dict[str, dict[str, list[File]]] = {name: {} for name in SPLITS}
    for name in sorted(every):
        images = every[name]
        if len(images) < FEWEST_PER_CLASS:
            raise Problem(f'The class "{name}" has {len(images)} images; at least {FEWEST_PER_CLASS} are needed.')
        order = random.permutation(len(images)).tolist()
        for part, share in held_out.items():
            count = max(1, min(round(len(images) * share), len(order) - 1))
            parts[part][name] = [images[index] for index in order[:count]]
            order = order[count:]
        parts["train"][name] = [images[index] for index in order]
    return parts


def write(every: dict[str, list[File]], folder: Path) -> int:
    """A folder a class; answers the number of images."""
    for name, images in every.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number, one in enumerate(images):
            (folder / name / f"{number:06}{one.path.suffix.lower()}").write_bytes(one.content)
    return sum(map(len, every.values()))


def folders(folder: Path) -> dict[str, list[Path]]:
    """Class -> its image files, for a channel as `write` leaves it."""
    return {
        place.name: sorted(path for path in place.iterdir() if path.suffix.lower() in ENDINGS)
        for place in sorted(folder.iterdir())
        if place.is_dir()
    }


def size_of(path: Path) -> tuple[int, int]:
    """Width and height."""
    with Image.open(path) as image:
        return image.size


def _files(path: Path, folder: Path) -> Iterator[File]:
    if not path.name.lower().endswith(ARCHIVES):
        yield File(PurePosixPath(path.relative_to(folder).as_posix()), path.read_bytes())
        return
    try:
        yield from _zip(path) if path.suffix.lower() == ".zip" else _tar(path)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        raise Problem(f"{path.name} cannot be unpacked: {error}.") from error


def _zip(path: Path) -> Iterator[File]:
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        _check_size(path, sum(member.file_size for member in members))
        for member in members:
            yield File(PurePosixPath(member.filename), archive.read(member))


def _tar(path: Path) -> Iterator[File]:
    with tarfile.open(path) as archive:
        members = [member for member in archive if member.isfile()]
        _check_size(path, sum(member.size for member in members))
        for member in members:
            file = archive.extractfile(member)
            if file is not None:
                yield File(PurePosixPath(member.name), file.read())


def _check_size(path: Path, size: int) -> None:
    if size > LARGEST_INPUT_MB * 1e6:
        limit = f"the limit is {LARGEST_INPUT_MB:g} MB (MAX_INPUT_MB)"
        raise Problem(f"{path.name} holds {size / 1e6:.1f} MB of files; {limit}.")


def _check(one: File) -> None:
    try:
        with Image.open(io.BytesIO(one.content)) as image:
            image.load()
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise Problem(f"{one.path} is not an image that can be read: {error}.") from error
