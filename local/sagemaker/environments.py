"""Images as environments: an image URI becomes a virtual environment and, for an own image, its folder.

Environments are named after a hash of what they hold, built once with uv and shared by every job and endpoint; a
build happens in a folder aside and is renamed into place, so a half-built one is never used.
"""

import fcntl
import fnmatch
import hashlib
import json
import os
import platform
import re
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.sagemaker.errors import ImageError

Progress = Callable[[str], None]
"""Told a line at a time what a build does."""

_FRAMEWORKS = Path(__file__).with_name("frameworks")
_ERROR_LINES = 15
_BUILD_SECONDS = 1800


def _silent(_: str) -> None:
    return


@dataclass(frozen=True, slots=True)
class Image:
    """What an image URI stands for here."""

    uri: str
    requirements: Path
    folder: Path | None
    """An own image's folder; its `bin` comes first on PATH. None: a framework image, run in script mode."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Something to run a container with."""

    folder: Path
    """The virtual environment."""
    image: Image

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def path(self) -> list[str]:
        """What stands before the system's own folders on PATH."""
        own = [str(self.image.folder / "bin")] if self.image.folder is not None else []
        return [*own, str(self.folder / "bin")]


class Environments:
    """Every environment of one cache folder. Thread-safe; several local clouds may share the folder."""

    def __init__(self, cache_dir: Path, images: Mapping[str, Path]) -> None:
        self._root = cache_dir / "environments"
        self._images = images
        self._frameworks: list[dict[str, str]] = json.loads((_FRAMEWORKS / "images.json").read_text())["images"]
        self._lock = threading.Lock()
        self._building: set[subprocess.Popen[str]] = set()
        self._stopping = False

    def start(self) -> None:
        """Build again after a `stop`."""
        with self._lock:
            self._stopping = False

    def stop(self) -> None:
        """End every build; whoever waits for one gets an ImageError."""
        with self._lock:
            self._stopping = True
            for process in self._building:
                process.kill()

    def resolve(self, uri: str) -> Image:
        """Raises ImageError, naming what to add, for an image nothing here stands for."""
        repository, tag = parse(uri)
        folder = self._images.get(repository)
        if folder is not None:
            return Image(uri, folder / "requirements.txt", folder.resolve())
        for entry in self._frameworks:
            if entry["repository"] == repository and fnmatch.fnmatch(tag, entry["tag"]):
                return Image(uri, _FRAMEWORKS / entry["requirements"], None)
        known = sorted({*self._images, *(f"{e['repository']}:{e['tag']}" for e in self._frameworks)})
        raise ImageError(
            f"The image {uri!r} has no environment here. For an own image add the folder "
            f"algorithms/<name>/container (repository headrace/<name>); for a framework image add the repository "
            f"{repository!r} with a requirements file to local/sagemaker/frameworks/images.json. "
            f"Known: {', '.join(known) or 'none'}."
        )

    def ensure(self, uri: str, extra: bytes = b"", progress: Progress = _silent) -> Environment:
        """The environment of an image, built now if it is not there. `extra` is a further requirements file.

        Raises ImageError with the installer's last lines.
        """
        image = self.resolve(uri)
        wanted = image.requirements.read_bytes() if image.requirements.is_file() else b""
        folder = self._root / _digest(wanted, extra)
        if not (folder / "bin" / "python").exists():
            with self._locked(folder):
                if not (folder / "bin" / "python").exists():
                    self._build(folder, image, wanted, extra, progress)
        return Environment(folder, image)

    def warm(self, uri: str, progress: Progress = _silent) -> None:
        """Build ahead of need."""
        self.ensure(uri, progress=progress)

    @contextmanager
    def _locked(self, folder: Path) -> Iterator[None]:
        """One builder at a time, among threads (each opens its own file) and processes."""
        self._root.mkdir(parents=True, exist_ok=True)
        with folder.with_suffix(".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _build(self, folder: Path, image: Image, wanted: bytes, extra: bytes, progress: Progress) -> None:
        aside = folder.with_suffix(".building")
        # What a killed build left behind; the lock says nobody works on it now.
        shutil.rmtree(aside, ignore_errors=True)
        progress(f"building the environment of {image.uri}")
        self._uv(["venv", "--quiet", "--relocatable", "--python", sys.executable, str(aside)], image, progress)
        files = [aside / "requirements.txt", aside / "extra.txt"]
        for file, content in zip(files, (wanted, extra), strict=True):
            file.write_bytes(content)
        present = [file for file in files if _has_requirements(file.read_bytes())]
        if present:
            arguments = [word for file in present for word in ("-r", str(file))]
            python = str(aside / "bin" / "python")
            self._uv(["pip", "install", "--python", python, *arguments], image, progress)
        aside.rename(folder)
        progress(f"built the environment of {image.uri}")

    def _uv(self, arguments: list[str], image: Image, progress: Progress) -> None:
        said: list[str] = []
        with self._begin([sys.executable, "-m", "uv", *arguments], image) as process:
            timer = threading.Timer(_BUILD_SECONDS, process.kill)
            timer.start()
            try:
                for line in process.stdout or ():
                    said.append(line.rstrip())
                    progress(line.rstrip())
            finally:
                timer.cancel()
                with self._lock:
                    self._building.discard(process)
        if process.returncode != 0:
            last = "\n".join(said[-_ERROR_LINES:])
            raise ImageError(
                f"the environment of {image.uri!r} cannot be built (uv, exit {process.returncode}):\n{last}"
            )

    def _begin(self, command: list[str], image: Image) -> "subprocess.Popen[str]":
        # The environment that the caller happens to be in must not become the target.
        environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
        store = ssl.get_default_verify_paths()
        if store.cafile or store.capath:
            # A company's own certificate authority stands in the machine's store, which uv reads only when told to.
            environment.setdefault("UV_SYSTEM_CERTS", "true")
        with self._lock:
            if self._stopping:
                raise ImageError(f"the environment of {image.uri!r} is not built: the local cloud is being stopped")
            process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
            self._building.add(process)
            return process


def parse(uri: str) -> tuple[str, str]:
    """`<registry>/<repository>[:tag|@digest]` -> (repository, tag or digest); tag `latest` where none is said."""
    registry, slash, rest = uri.partition("/")
    if not slash or not re.search(r"[.:]|^localhost$", registry):
        rest = uri
    if "@" in rest:
        repository, _, digest = rest.partition("@")
        return repository, digest
    repository, _, tag = rest.partition(":")
    return repository, tag or "latest"


def _digest(wanted: bytes, extra: bytes) -> str:
    state = hashlib.sha256()
    for part in (platform.python_version().encode(), platform.machine().encode(), wanted, extra):
        state.update(len(part).to_bytes(8, "big") + part)
    return state.hexdigest()[:24]


def _has_requirements(content: bytes) -> bool:
    lines = (line.strip() for line in content.decode("utf-8", "replace").splitlines())
    return any(line and not line.startswith("#") for line in lines)
