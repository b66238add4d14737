"""What an object key in the uploads bucket means.

    datasets/<algorithm>/<dataset>/<file>     a training (<dataset> may be the job id the API gave)
    images/<job_id>/<file>, images/<file>     a photo
    batches/<algorithm>/<file>                a batch of one file
    batches/<algorithm>/<batch>/_SUCCESS      a batch of a folder's files, complete with this one

Keys are plain text here: spaces, plus signs and any letters stand for themselves. Only the Records-style notification
carries them URL-encoded, and `functions.uploads.events` has decoded those already.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from fnmatch import fnmatchcase

from functions.jobs import ids

MARKER = "_SUCCESS"
HYPERPARAMETERS = "_HYPERPARAMETERS.json"
"""In a dataset's folder: what the training of it is asked for. It starts nothing, and is no data."""

MAX_FILENAME = 200
MAX_KEY = 1024
"""Bytes of UTF-8, as S3 counts."""
TOO_LONG = f"it is too long: an S3 key has at most {MAX_KEY} bytes"
DATASET_SHAPE = "datasets/<algorithm>/<dataset>/<file>"
IMAGE_SHAPE = "images/<job_id>/<file> or images/<file>"
BATCH_SHAPE = "batches/<algorithm>/<file> or batches/<algorithm>/<batch>/<file>"


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder marker: an empty object that consoles create; never an upload."""


@dataclass(frozen=True, slots=True)
class DatasetKey:
    algorithm: str
    filename: str
    prefix: str
    """Everything before the file name, with its last slash."""
    in_dataset: bool
    """False for a file that lies directly under datasets/<algorithm>/."""
    job_id: str | None
    """What stands where the API puts a job id, if it has the form of one."""


@dataclass(frozen=True, slots=True)
class ImageKey:
    filename: str
    job_id: str | None


@dataclass(frozen=True, slots=True)
class BatchKey:
    algorithm: str
    filename: str
    in_folder: bool
    """False for a file that lies directly under batches/<algorithm>/, and is a batch by itself."""


@dataclass(frozen=True, slots=True)
class UnfitKey:
    kind: str
    reason: str


UploadKey = Folder | DatasetKey | ImageKey | BatchKey | UnfitKey


def read(key: str) -> UploadKey:
    """Tells what `key` means; never raises."""
    if key.endswith("/"):
        return Folder()
    match key.split("/"):
        case ["datasets", algorithm, *folders, filename] if algorithm and all(folders):
            job_id = folders[0] if len(folders) == 1 and ids.is_job_id(folders[0]) else None
            prefix = key.removesuffix(filename)
            return DatasetKey(algorithm, filename, prefix, in_dataset=bool(folders), job_id=job_id)
        case ["images", *folders, filename] if all(folders):
            job_id = folders[0] if len(folders) == 1 and ids.is_job_id(folders[0]) else None
            return ImageKey(filename, job_id)
        case ["batches", algorithm, *folders, filename] if algorithm and all(folders):
            return BatchKey(algorithm, filename, in_folder=bool(folders))
        case ["batches", *_]:
            return UnfitKey("batch", f"the key '{key}' does not fit {BATCH_SHAPE}")
        case ["images", *_]:
            return UnfitKey("face", f"the key '{key}' does not fit {IMAGE_SHAPE}")
        case _:
            return UnfitKey("training", f"the key '{key}' does not fit {DATASET_SHAPE}")


def fits(key: str) -> bool:
    """Tells whether S3 can have an object of that key, as far as its length goes."""
    return len(key.encode(errors="replace")) <= MAX_KEY


def matches(pattern: str, filename: str) -> bool:
    """Tells whether a file of that name starts a training; `*`, `?` and `[...]` as in fnmatch, in small or capital
    letters.

    The marker alone is spelt as it is: another name is a file among others, not the sign that a folder is complete.
    """
    return filename == pattern if pattern == MARKER else fnmatchcase(filename.lower(), pattern.lower())


def run_folder(job_id: str) -> str:
    """Returns where the artifacts bucket holds the copy of what the job was claimed with."""
    return f"runs/{job_id}/input/"


def input_uri(bucket: str, folder: str, key: str) -> str:
    """Returns what a job reads of an upload that was copied below `folder`: all of it for a `_SUCCESS` marker, else the
    one file. Plain, not percent-encoded.
    """
    return f"s3://{bucket}/{folder}{'' if is_marker(key) else key.rsplit('/', 1)[-1]}"


def in_dataset(key: str) -> bool:
    """Tells whether a key lies in the folder of a dataset, where hyperparameters can lie beside it."""
    place = read(key)
    return isinstance(place, DatasetKey) and place.in_dataset


def is_hyperparameters(key: str) -> bool:
    return in_dataset(key) and key.endswith(f"/{HYPERPARAMETERS}")


def is_marker(key: str) -> bool:
    return key == MARKER or key.endswith(f"/{MARKER}")


class FilenameRejected(ValueError):
    """A file name that cannot become part of a key; the text says why."""


def safe_filename(name: str) -> str:
    """`name` as the last part of a key: composed Unicode, no slash, no control character, 1 to 200 characters."""
    name = unicodedata.normalize("NFC", name).strip()
    if not name or name in {".", ".."}:
        raise FilenameRejected("expected a file name")
    if "/" in name or "\\" in name:
        raise FilenameRejected("a file name holds no slashes")
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in name):
        raise FilenameRejected("a file name holds no control characters")
    if len(name) > MAX_FILENAME:
        raise FilenameRejected(f"a file name has at most {MAX_FILENAME} characters, this one {len(name)}")
    return name
