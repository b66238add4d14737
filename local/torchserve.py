"""Model archives (.mar) for TorchServe: what goes in is looked at first, torch-model-archiver makes the archive, and it
is written again without the time of day, so that the same inputs give the same bytes.

Nothing of a model or a handler is run here, and torch is not needed. The archiver has an environment of its own
(`local.sagemaker.machine.environments`); cicd/torchserve holds what an archive becomes.
"""

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import yaml

from local.errors import LocalCloudError
from local.sagemaker.machine.environments import Environments

# What torch-model-archiver 0.12.0 knows as handlers of TorchServe's own.
HANDLERS = (
    "base_handler",
    "dali_image_classifier",
    "image_classifier",
    "image_segmenter",
    "object_detector",
    "text_classifier",
    "trt_llm_handler",
    "vllm_handler",
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_VERSION = re.compile(r"[0-9]+(\.[0-9]+){0,3}")
_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_ARCHIVER = "torch-model-archiver"
_ARCHIVER_SECONDS = 900
_MANIFEST = "MAR-INF/MANIFEST.json"
# The first moment that a zip can tell.
_TIME = (1980, 1, 1, 0, 0, 0)
_CREATED = "01/01/1980 00:00:00"


class ArchiveRefused(LocalCloudError):
    """What was given makes no archive. The text has a line for each problem."""

    exit_code = 2


class ArchiverFailed(LocalCloudError):
    """torch-model-archiver ended with an error."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What an archive is made of."""

    name: str
    version: str
    model: Path
    """A TorchScript file."""
    handler: Path | str
    """A file, or one of HANDLERS."""
    config: Path
    """TorchServe's settings of the model."""
    requirements: Path | None = None
    extra: tuple[Path, ...] = ()
    """Files, and folders with all that is in them."""


@dataclass(frozen=True, slots=True)
class Archive:
    """A finished archive."""

    file: Path
    sha256: str
    members: tuple[str, ...]


def check(inputs: Inputs) -> tuple[str, ...]:
    """Returns a line for each problem: `what: expected X, found Y`."""
    problems: list[str] = []
    if not _NAME.fullmatch(inputs.name):
        problems.append(f"--name: expected letters, digits, '.', '_' and '-', at most 100, found {inputs.name!r}")
    if not _VERSION.fullmatch(inputs.version):
        problems.append(f"--version: expected numbers with dots between them (1.0), found {inputs.version!r}")
    problems += _not_torchscript(inputs.model)
    problems += _not_a_handler(inputs.handler)
    problems += _not_a_config(inputs.config)
    if inputs.requirements is not None and not inputs.requirements.is_file():
        problems.append(f"{inputs.requirements}: no such file")
    problems += [f"{path}: no such file or folder" for path in inputs.extra if not path.exists()]
    problems += _collisions(inputs)
    return tuple(problems)


def make(inputs: Inputs, folder: Path, environments: Environments, force: bool = False) -> Archive:
    """Writes `<name>.mar` into `folder`.

    Raises ArchiveRefused for inputs that make none and for a file that is there already (unless `force`), ImageError
    where the archiver cannot be installed, ArchiverFailed where it fails. Whatever is raised, a file that was there
    is left as it was.
    """
    problems = check(inputs)
    target = folder / f"{inputs.name}.mar"
    if not problems and target.exists() and not force:
        problems = (f"{target}: is there already; --force writes over it",)
    if problems:
        raise ArchiveRefused("\n".join(problems))
    python = environments.ensure(_ARCHIVER).python
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Beside the target, so that the finished file only needs a new name.
        with tempfile.TemporaryDirectory(prefix=f".{inputs.name}-", dir=folder) as aside:
            made = _run_archiver(inputs, Path(aside), python)
            finished = Path(aside, "finished.mar")
            members = _rewrite(made, finished)
            sha256 = _sha256(finished)
            finished.replace(target)
    except OSError as error:
        raise ArchiveRefused(f"{error.filename or folder}: {error.strerror or error}") from error
    return Archive(target, sha256, members)


# ---- what may go in --------------------------------------------------------------------------------------------------


def _not_torchscript(file: Path) -> list[str]:
    """Looks for torch.jit.save's zip: a folder with data.pkl, constants.pkl and code/, which torch.save leaves out."""
    if not file.is_file():
        return [f"{file}: no such file"]
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return [f"{file}: expected a TorchScript file (torch.jit.save), found no zip"]
    inner = {name.partition("/")[2] for name in names}
    if {"data.pkl", "constants.pkl"} <= inner and any(name.startswith("code/") for name in inner):
        return []
    saved = "weights alone (torch.save)" if "data.pkl" in inner else "another zip"
    return [f"{file}: expected a TorchScript file (torch.jit.trace or script, then save), found {saved}"]


def _not_a_handler(handler: Path | str) -> list[str]:
    if isinstance(handler, str):
        return [] if handler in HANDLERS else [_unknown_handler(handler)]
    if not handler.is_file():
        return [f"{handler}: no such file"]
    if handler.suffix != ".py" or not _MODULE.fullmatch(handler.stem):
        return [f"{handler}: expected a file that can be imported as a module (name.py), found {handler.name!r}"]
    try:
        tree = ast.parse(handler.read_bytes(), str(handler))
    except SyntaxError as error:
        return [f"{handler}: line {error.lineno}: expected Python, found {error.msg}"]
    except ValueError as error:
        return [f"{handler}: expected Python, found {error}"]
    return [f"{handler}: {problem}" for problem in _not_an_entry_point(tree)]


def _unknown_handler(name: str) -> str:
    return f"--handler: expected a .py file or one of {', '.join(HANDLERS)}, found {name!r}"


def _not_an_entry_point(tree: ast.Module) -> list[str]:
    """Looks for what TorchServe calls: the function `handle`, or else an object of the module's only class."""
    if any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == "handle" for node in tree.body):
        return []
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    if len(classes) != 1:
        names = ", ".join(node.name for node in classes) or "neither"
        return [f"expected a function `handle` or one class, found {names}"]
    (only,) = classes
    methods = {node.name for node in only.body if isinstance(node, ast.FunctionDef)}
    missing = {"initialize", "handle"} - methods
    # What a base class brings is not known without importing it.
    if missing and not only.bases:
        return [f"class {only.name}: expected the methods initialize and handle, found no {' and no '.join(missing)}"]
    return []


def _not_a_config(file: Path) -> list[str]:
    try:
        document = yaml.safe_load(file.read_text("utf-8"))
    except FileNotFoundError:
        return [f"{file}: no such file"]
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        return [f"{file}: expected YAML, found {' '.join(str(error).split())}"]
    if not isinstance(document, dict):
        return [f"{file}: expected a YAML mapping (batchSize, maxBatchDelay, ...), found {type(document).__name__}"]
    return []


def _collisions(inputs: Inputs) -> list[str]:
    """Looks for files of one name: all files of an archive stand in one folder."""
    named = [inputs.model, inputs.config, *inputs.extra]
    named += [path for path in (inputs.handler, inputs.requirements) if isinstance(path, Path)]
    by_name: dict[str, list[Path]] = {}
    for path in named:
        by_name.setdefault(path.name, []).append(path)
    problems = [f"{path}: expected another name, MAR-INF is the archive's own" for path in by_name.get("MAR-INF", ())]
    twice = [", ".join(map(str, paths)) for paths in by_name.values() if len(paths) > 1]
    problems += [f"{paths}: expected different names, for they stand in one folder of the archive" for paths in twice]
    return problems


# ---- the archive -----------------------------------------------------------------------------------------------------


def _run_archiver(inputs: Inputs, aside: Path, python: Path) -> Path:
    words = ["--model-name", inputs.name, "--version", inputs.version, "--archive-format", "zip-store"]
    words += ["--serialized-file", str(inputs.model.absolute()), "--config-file", str(inputs.config.absolute())]
    handler = inputs.handler.absolute() if isinstance(inputs.handler, Path) else inputs.handler
    words += ["--handler", str(handler), "--export-path", "."]
    if inputs.requirements is not None:
        words += ["--requirements-file", str(inputs.requirements.absolute())]
    if inputs.extra:
        # The archiver takes a list with commas and wildcards in it, so names that have such go by way of a folder.
        staged = aside / "extra"
        staged.mkdir()
        for path in inputs.extra:
            (staged / path.name).symlink_to(path.absolute(), target_is_directory=path.is_dir())
        words += ["--extra-files", staged.name]
    # The archiver removes the folder <temporary folder>/<name>, whatever it is: here that is nobody's.
    temporary = aside / "temporary"
    temporary.mkdir()
    program = "from model_archiver.model_packaging import generate_model_archive as make; make()"
    try:
        said = subprocess.run(
            [str(python), "-I", "-c", program, *words],
            cwd=aside,
            env={**os.environ, "TMPDIR": str(temporary)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_ARCHIVER_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ArchiverFailed(f"{_ARCHIVER}: still at work after {_ARCHIVER_SECONDS} seconds") from error
    if said.returncode != 0:
        last = said.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise ArchiverFailed(f"{_ARCHIVER}: exit {said.returncode}: {last[0]}")
    return aside / f"{inputs.name}.mar"


def _rewrite(made: Path, finished: Path) -> tuple[str, ...]:
    """Writes the same members, in order, stored, without times, owners and modes; returns their names."""
    with zipfile.ZipFile(made) as source, zipfile.ZipFile(finished, "w") as target:
        names = sorted(name for name in source.namelist() if not name.endswith("/"))
        for name in names:
            info = zipfile.ZipInfo(name, _TIME)
            info.external_attr = 0o644 << 16
            # Whoever writes it: the byte that says so would tell the systems apart.
            info.create_system = 3
            if name == _MANIFEST:
                target.writestr(info, _manifest(source.read(name)))
                continue
            info.file_size = source.getinfo(name).file_size
            with source.open(name) as reading, target.open(info, "w") as writing:
                shutil.copyfileobj(reading, writing, 1 << 20)
    return tuple(names)


def _manifest(content: bytes) -> str:
    return json.dumps({**json.loads(content), "createdOn": _CREATED}, indent=2)


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
