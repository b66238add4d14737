"""Images as environments: what an image stands for (`images.py`) becomes a virtual environment.

Environments are named after a hash of what they hold, built once with uv and shared by every job and endpoint; a
build happens in a folder aside and is renamed into place, so a half-built one is never used. What a container itself
installs stays in a layer of its own.
"""

import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
import ssl
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from local.sagemaker.machine import package_index
from local.sagemaker.machine.builder import Builder
from local.sagemaker.machine.images import FRAMEWORKS, Image, Images, parse
from local.sagemaker.wire.errors import ImageError

Progress = Callable[[str], None]
"""Told a line at a time what a build does."""

__all__ = ["Environment", "Environments", "Image", "Progress", "parse"]

_FRAMEWORKS = FRAMEWORKS
_ERROR_LINES = 15
_BUILD_SECONDS = 1800
_NOT_COMPILED = "/(tests?|testing|pip|setuptools)/"
"""Folders that no container imports from when it starts."""


def _silent(_: str) -> None:
    return


@dataclass(frozen=True, slots=True)
class Environment:
    """Something to run a container with."""

    folder: Path
    """The virtual environment, shared: nobody installs into it."""
    image: Image
    layer: Path | None = None
    """A virtual environment above it that belongs to one container."""

    @property
    def python(self) -> Path:
        return (self.layer or self.folder) / "bin" / "python"

    @property
    def path(self) -> list[str]:
        """What stands before the system's own folders on PATH."""
        own = [str(self.image.folder / "bin")] if self.image.folder is not None else []
        layer = [str(self.layer / "bin")] if self.layer is not None else []
        return [*own, *layer, str(self.folder / "bin")]

    def layered(self, layer: Path) -> "Environment":
        """Returns the same environment, with a place in front for what the container installs by `pip`.

        pip sees the packages below as installed, so it adds what is missing and leaves those alone.
        """
        if not (layer / "pyvenv.cfg").exists():
            _lay(self.folder, layer)
        return replace(self, layer=layer)


class Environments:
    """Every environment of one cache folder. Thread-safe; several local clouds may share the folder."""

    def __init__(self, cache_dir: Path, images: Mapping[str, Path], user_map: Path | None = None) -> None:
        self._root = cache_dir / "environments"
        self._images = Images(images, user_map, _FRAMEWORKS)
        self._lock = threading.Lock()
        self._building: set[Builder] = set()
        self._stopping = False

    def start(self) -> None:
        """Builds again after a `stop`."""
        with self._lock:
            self._stopping = False

    def stop(self) -> None:
        """Ends every build; whoever waits for one gets an ImageError."""
        with self._lock:
            self._stopping = True
            for builder in self._building:
                builder.end()

    def resolve(self, uri: str) -> Image:
        """Raises ImageError, naming what to add, for an image nothing here stands for."""
        return self._images.resolve(uri)

    def unavailable(self, uri: str) -> str | None:
        """Returns why an image cannot run here, in a few words, or None. Raises ImageError for a map that is wrong."""
        return self._images.unavailable(uri)

    def ensure(self, uri: str, extra: bytes = b"", progress: Progress = _silent) -> Environment:
        """Returns the environment of an image, built now if it is not there. `extra` is a further requirements file.

        Raises ImageError with the installer's last lines.
        """
        image = self.resolve(uri)
        folder = self._root / _digest(image.requirements, extra)
        if not (folder / "bin" / "python").exists():
            with self._locked(folder, image, progress):
                if not (folder / "bin" / "python").exists():
                    self._build(folder, image, extra, progress)
        return Environment(folder, image)

    def warm(self, uri: str, progress: Progress = _silent) -> None:
        """Builds ahead of need."""
        self.ensure(uri, progress=progress)

    @contextmanager
    def _locked(self, folder: Path, image: Image, progress: Progress) -> Iterator[None]:
        """Lets one builder work at a time, among threads (each opens its own file) and processes."""
        self._root.mkdir(parents=True, exist_ok=True)
        with folder.with_suffix(".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                progress(f"waiting for the environment of {image.uri}, which is being built")
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _build(self, folder: Path, image: Image, extra: bytes, progress: Progress) -> None:
        aside = folder.with_suffix(".building")
        # What a killed build left behind; the lock says nobody works on it now.
        shutil.rmtree(aside, ignore_errors=True)
        progress(f"building the environment of {image.uri}")
        self._uv(["venv", "--quiet", "--relocatable", "--python", sys.executable, str(aside)], image, progress)
        wanted = {
            "requirements.txt": ("-r", image.requirements),
            "extra.txt": ("-r", extra),
            "build.txt": ("--build-constraints", image.build),
        }
        arguments: list[str] = []
        for name, (option, content) in wanted.items():
            (aside / name).write_bytes(content)
            if _has_requirements(content):
                arguments += [option, str(aside / name)]
        if "-r" in arguments:
            python = str(aside / "bin" / "python")
            self._uv(["pip", "install", "--python", python, *arguments], image, progress)
            self._compile(aside, folder, image)
        aside.rename(folder)
        progress(f"built the environment of {image.uri}")

    def _compile(self, aside: Path, folder: Path, image: Image) -> None:
        """Compiles the packages now: nobody writes into the environment later, so each start would compile anew.

        That is two thirds of importing scikit-learn. A file that is no Python of this version is left out.
        """
        packages = aside / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
        placed = ["-s", str(aside), "-p", str(folder)]
        words = [sys.executable, "-m", "compileall", "-q", "-j", "0", "-x", _NOT_COMPILED, *placed, str(packages)]
        self._run(words, image)

    def _uv(self, arguments: list[str], image: Image, progress: Progress) -> None:
        code, said = self._run([sys.executable, "-m", "uv", *arguments], image, progress)
        if code != 0:
            last = "\n".join(said[-_ERROR_LINES:])
            raise ImageError(f"the environment of {image.uri!r} cannot be built (uv, exit {code}):\n{last}")

    def _run(self, command: list[str], image: Image, progress: Progress = _silent) -> tuple[int, list[str]]:
        """Runs a program of a build, ended by `stop` and after a while; returns its exit code and what it said."""
        said: list[str] = []
        with self._begin(command, image) as builder:
            timer = threading.Timer(_BUILD_SECONDS, builder.end)
            timer.start()
            try:
                for line in builder.lines():
                    # An index's URL may carry a password, and logs and reasons are for everybody.
                    said.append(package_index.redacted(line))
                    progress(said[-1])
            finally:
                timer.cancel()
                with self._lock:
                    self._building.discard(builder)
            return builder.wait(), said

    def _begin(self, command: list[str], image: Image) -> Builder:
        # The environment that the caller happens to be in must not become the target.
        environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
        environment |= package_index.for_uv()
        store = ssl.get_default_verify_paths()
        if store.cafile or store.capath:
            # A company's own certificate authority stands in the machine's store, which uv reads only when told to.
            environment.setdefault("UV_SYSTEM_CERTS", "true")
        with self._lock:
            if self._stopping:
                raise ImageError(f"the environment of {image.uri!r} is not built: the local cloud is being stopped")
            builder = Builder(command, environment)
            self._building.add(builder)
            return builder


def _digest(wanted: bytes, extra: bytes) -> str:
    state = hashlib.sha256()
    for part in (platform.python_version().encode(), platform.machine().encode(), wanted, extra):
        state.update(len(part).to_bytes(8, "big") + part)
    return state.hexdigest()[:24]


def _has_requirements(content: bytes) -> bool:
    lines = (line.strip() for line in content.decode("utf-8", "replace").splitlines())
    return any(line and not line.startswith("#") for line in lines)


def _lay(below: Path, layer: Path) -> None:
    """Lays a virtual environment whose packages come before those of the one below, without a process."""
    interpreter = (below / "bin" / "python").resolve()
    packages = Path("lib", f"python{sys.version_info.major}.{sys.version_info.minor}", "site-packages")
    (layer / "bin").mkdir(parents=True, exist_ok=True)
    (layer / packages).mkdir(parents=True, exist_ok=True)
    for name in ("python", "python3"):
        with contextlib.suppress(FileExistsError):
            (layer / "bin" / name).symlink_to(interpreter)
    for name in ("pip", "pip3"):
        script = layer / "bin" / name
        script.write_text('#!/bin/sh\nexec "$(dirname "$0")/python" -m pip "$@"\n')
        script.chmod(0o755)
    # Like a site folder: the .pth files below count, too.
    (layer / packages / "below.pth").write_text(f"import site; site.addsitedir({str(below / packages)!r})\n")
    if package_index.settings():
        # A container has another HOME and other variables; where packages come from is the machine's affair.
        # For the owner alone: an index's URL may carry a password.
        (layer / "pip.conf").touch(mode=0o600)
        (layer / "pip.conf").write_text(package_index.as_file())
    # Written last: with it the layer is complete.
    (layer / "pyvenv.cfg").write_text(f"home = {interpreter.parent}\ninclude-system-site-packages = false\n")
