"""What an image URI stands for: an own image's folder, AWS's framework image, or what the user's image map says.

The map is `images.yaml` beside template.yaml, read again whenever it has changed:

    images:
      - image: "*/churn-training:*"          # shell pattern over the whole URI; the first that matches wins
        folder: containers/churn             # an own image: bin/train, bin/serve, requirements.txt
      - image: "*/tools:*"
        requirements: tools.txt              # Python packages; script mode and processing scripts
      - image: "*/linear-learner:*"
        framework: sagemaker-scikit-learn:1.2-1   # as if the URI were this one

Paths are relative to the map. `environments.py` builds what is found here.
"""

import fnmatch
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from local.documents import Document, Json
from local.sagemaker.wire.errors import ImageError

FRAMEWORKS = Path(__file__).parents[1] / "frameworks"
_TOOLKIT = Path(__file__).parents[1] / "toolkit"
_HANDLERS = _TOOLKIT / "handlers"


@dataclass(frozen=True, slots=True)
class Image:
    """What an image URI stands for here."""

    uri: str
    requirements: bytes
    """A requirements file."""
    folder: Path | None
    """An own image's folder; its `bin` comes first on PATH. None: script mode, or a built-in algorithm."""
    handlers: str | None = None
    """The module of toolkit/handlers: the framework's default functions, and its built-in algorithm if it has one."""

    tag: str = ""
    """The framework image's own tag."""

    build: bytes = b""
    """Constraints on what its packages are built with, where they come as sources."""

    @property
    def train(self) -> tuple[str, ...]:
        """What a training job runs where it names no entry point of its own."""
        if self.folder is not None:
            return ("train",)
        algorithm = (str(_HANDLERS / f"{self.handlers}.py"), self.tag) if self._metrics.is_file() else ()
        return ("python", "-P", str(_TOOLKIT / "train.py"), *algorithm)

    @property
    def serve(self) -> tuple[str, ...]:
        """What an instance of an endpoint runs."""
        if self.folder is not None:
            return ("serve",)
        handlers = (str(_HANDLERS / f"{self.handlers}.py"),) if self.handlers is not None else ()
        return ("python", "-P", str(_TOOLKIT / "serve.py"), *handlers)

    @property
    def metrics(self) -> list[dict[str, str]]:
        """MetricDefinitions that the built-in algorithm of this image has without being asked."""
        if not self._metrics.is_file():
            return []
        table = json.loads(self._metrics.read_text())
        return [
            {
                "Name": f"{group}:{name}",
                "Regex": str(table["regex"]).replace("{set}", group).replace("{name}", name),
            }
            for group in table["sets"]
            for name in table["names"]
        ]

    @property
    def _metrics(self) -> Path:
        """Of a built-in algorithm; no other image has such a file."""
        return _HANDLERS / f"{self.handlers}.metrics.json"


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    image: Annotated[str, Field(min_length=1)]
    folder: str | None = None
    requirements: str | None = None
    framework: str | None = None

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if sum(value is not None for value in (self.folder, self.requirements, self.framework)) != 1:
            raise ValueError("expected exactly one of folder, requirements and framework")
        return self


class _Map(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    images: list[_Entry]


class Images:
    """Every image of one local cloud. `own`: repository -> folder, the catalogue's."""

    def __init__(self, own: Mapping[str, Path], user_map: Path | None, frameworks: Path) -> None:
        self._own = own
        self._map = user_map
        self._folder = frameworks
        table = json.loads((frameworks / "images.json").read_text())
        self._frameworks: list[Document] = table["images"]
        self._algorithms: frozenset[str] = frozenset(table.get("algorithms", ()))

    def unavailable(self, uri: str) -> str | None:
        """Returns why an image cannot run here, in a few words, or None. Raises ImageError for a map that is wrong."""
        if self._of_map(uri) is not None or self._of_catalogue(uri) is not None:
            return None
        entry, _ = self._entry(uri)
        if entry is not None:
            return _hindrance(entry)
        if parse(uri)[0] in self._algorithms:
            return "a built-in algorithm of AWS that is not run here"
        return "an image that is unknown here"

    def resolve(self, uri: str) -> Image:
        """Raises ImageError, naming what to add, for an image nothing here stands for, and for a map that is wrong."""
        image = self._of_map(uri) or self._of_catalogue(uri) or self._of_frameworks(uri, uri)
        if image is None:
            raise ImageError(self._unknown(uri))
        return image

    def _of_catalogue(self, uri: str) -> Image | None:
        folder = self._own.get(parse(uri)[0])
        return _own(uri, folder) if folder is not None else None

    def _of_frameworks(self, uri: str, name: str) -> Image | None:
        entry, versions = self._entry(name)
        if entry is None:
            return None
        if (reason := _hindrance(entry)) is not None:
            raise ImageError(self._refused(uri, reason))
        wanted = self._requirements(entry, versions)
        build = "\n".join(entry.get("build", ())).encode()
        return Image(uri, wanted, None, entry.get("handlers"), parse(name)[1], build)

    def _entry(self, name: str) -> tuple[Mapping[str, Json] | None, Mapping[str, str]]:
        """Returns the first entry for an image, with what its `versions` finds in the tag."""
        repository, tag = parse(name)
        for entry in self._frameworks:
            if not fnmatch.fnmatchcase(repository, entry["repository"]) or not fnmatch.fnmatchcase(tag, entry["tag"]):
                continue
            versions = re.match(entry.get("versions", ""), tag)
            if versions is not None:
                return entry, versions.groupdict()
        return None, {}

    def _requirements(self, entry: Mapping[str, Json], versions: Mapping[str, str]) -> bytes:
        if "requirements" in entry:
            return Path(self._folder, entry["requirements"]).read_bytes()
        return "\n".join(package.format_map(versions) for package in entry["packages"]).encode()

    def _of_map(self, uri: str) -> Image | None:
        for where, entry in self._entries():
            if fnmatch.fnmatchcase(uri, entry.image):
                return self._mapped(uri, where, entry)
        return None

    def _mapped(self, uri: str, where: str, entry: _Entry) -> Image:
        base = self._map.parent if self._map is not None else Path()
        if entry.framework is not None:
            image = self._of_frameworks(uri, entry.framework)
            if image is None:
                raise ImageError(f"{where}.framework: expected one of {self._known()}, found {entry.framework!r}")
            return replace(image, uri=uri)
        if entry.folder is not None:
            folder = base / entry.folder
            if not (folder / "bin").is_dir():
                raise ImageError(f"{where}.folder: expected a folder with bin/ in it, found {entry.folder!r}")
            return _own(uri, folder)
        file = base / (entry.requirements or "")
        if not file.is_file():
            raise ImageError(f"{where}.requirements: expected a file that exists, found {entry.requirements!r}")
        # Other packages for an image of AWS: what serves and trains there by default does so here, too.
        framework, _ = self._entry(uri)
        handlers = framework.get("handlers") if framework is not None else None
        return Image(uri, file.read_bytes(), None, handlers, parse(uri)[1])

    def _entries(self) -> Iterator[tuple[str, _Entry]]:
        if self._map is None or not self._map.is_file():
            return
        try:
            entries = _Map.model_validate(yaml.safe_load(self._map.read_text()) or {"images": []}).images
        except ValidationError as error:
            raise ImageError("\n".join(f"{self._map}: {_described(detail)}" for detail in error.errors())) from error
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ImageError(f"{self._map}: expected a YAML file: {error}") from error
        for number, entry in enumerate(entries):
            yield f"{self._map}: images[{number}]", entry

    def _refused(self, uri: str, reason: str) -> str:
        repository, _ = parse(uri)
        return (
            f"The image {uri!r} does not run here: {reason}. Something else may stand for it: an entry with "
            f"`image: '*/{repository}:*'` in {self._place()}."
        )

    def _place(self) -> str:
        return str(self._map) if self._map is not None else "images.yaml beside template.yaml"

    def _unknown(self, uri: str) -> str:
        repository, _ = parse(uri)
        what = "is a built-in algorithm of AWS that is not run here" if repository in self._algorithms else "is unknown"
        return (
            f"The image {uri!r} {what}. Say what stands for it in {self._place()}: an entry with "
            f"`image: '*/{repository}:*'` and a `folder`, a `requirements` file or a `framework`; or add the folder "
            f"algorithms/<name>/container (repository headrace/<name>). Known: {self._known()}."
        )

    def _known(self) -> str:
        run = (f"{entry['repository']}:{entry['tag']}" for entry in self._frameworks if _hindrance(entry) is None)
        return ", ".join(sorted({*self._own, *run})) or "none"


def _hindrance(entry: Mapping[str, Json]) -> str | None:
    """Returns why what an entry stands for does not run on this machine's Python, or on any."""
    newest, why = entry.get("python"), entry.get("why")
    if newest is None or why is None:
        return None if why is None else str(why)
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    if sys.version_info[:2] <= tuple(map(int, newest.split("."))):
        return None
    return f"{why}, so it needs Python {newest}, and this is {running}"


def _own(uri: str, folder: Path) -> Image:
    file = folder / "requirements.txt"
    return Image(uri, file.read_bytes() if file.is_file() else b"", folder.resolve())


def _described(detail: Any) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in detail["loc"]).lstrip(".")
    said = str(detail["msg"]).removeprefix("Value error, ")
    return f"{path or 'the file'}: {said[0].lower()}{said[1:]}"


def parse(uri: str) -> tuple[str, str]:
    """Splits `<registry>/<repository>[:tag|@digest]` into repository and tag or digest; the tag `latest` by default."""
    registry, slash, rest = uri.partition("/")
    if not slash or not re.search(r"[.:]|^localhost$", registry):
        rest = uri
    if "@" in rest:
        repository, _, digest = rest.partition("@")
        return repository, digest
    repository, _, tag = rest.partition(":")
    return repository, tag or "latest"
