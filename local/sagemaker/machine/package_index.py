"""Where packages come from, as this machine's pip is told: for uv, which does not read pip's settings, and for the
pip of a container, which has another home. `environments.py` uses both.

https://pip.pypa.io/en/stable/topics/configuration/ says which files count and in which order.
"""

import configparser
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

KEYS: Final = ("index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "cert")
_SECTIONS = ("global", "install")
_OF_UV = {
    "index-url": ("UV_DEFAULT_INDEX", "UV_INDEX_URL"),
    "extra-index-url": ("UV_INDEX", "UV_EXTRA_INDEX_URL"),
    "find-links": ("UV_FIND_LINKS",),
    "trusted-host": ("UV_INSECURE_HOST",),
    "cert": ("SSL_CERT_FILE",),
}
"""A setting of pip's -> the variable that says the same to uv, and older names of that."""
_SAID_TO_UV = (
    "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX", "UV_OFFLINE",
)  # fmt: skip
_NOTHING = Path(__file__).parent.as_uri()
"""An index without any package."""
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")


@dataclass(frozen=True, slots=True)
class Places:
    """Where settings stand: in variables, in the user's home, in the machine's own folder."""

    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    home: Path = field(default_factory=Path.home)
    etc: Path = Path("/etc")

    @property
    def configs(self) -> list[Path]:
        """Folders of settings, from the weakest to the strongest: the machine's, then the user's."""
        shared = self.environment.get("XDG_CONFIG_DIRS") or str(self.etc / "xdg")
        own = self.environment.get("XDG_CONFIG_HOME") or self.home / ".config"
        return [*map(Path, shared.split(os.pathsep)), Path(own)]


def settings(places: Places | None = None) -> dict[str, str]:
    """Reads pip's own settings of KEYS: the files of the machine, the user and this Python, then PIP_* variables."""
    places = places or Places()
    values: dict[str, str] = {}
    for file in _files(places):
        values |= _read(file)
    for key in KEYS:
        if value := places.environment.get(f"PIP_{key.upper().replace('-', '_')}", "").strip():
            values[key] = value
    return values


def for_uv(places: Places | None = None) -> dict[str, str]:
    """Returns the variables that tell uv the same. What uv is told by variables or files of its own stands."""
    places = places or Places()
    environment = places.environment
    if environment.get("UV_CONFIG_FILE") or any(file.is_file() for file in _files_of_uv(places)):
        return {}
    told: dict[str, str] = {}
    for key, value in _without_no_index(settings(places)).items():
        name, *older = _OF_UV[key]
        if not any(environment.get(variable) for variable in (name, *older)) and (said := _said(key, value)):
            told[name] = said
    if "UV_INDEX" in told and not environment.get("UV_INDEX_STRATEGY"):
        # pip takes the best version of all its indexes; uv would stop at the first that has the name.
        told["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    if _has_torch_for_cards(places, told):
        told["UV_TORCH_BACKEND"] = "cpu"
    return told


def _has_torch_for_cards(places: Places, told: Mapping[str, str]) -> bool:
    """Tells whether PyTorch would bring the gigabytes of CUDA, which a job here, without a card, has no use for.

    The public index has such builds for Linux alone. A machine that takes its packages from elsewhere may have no way
    to PyTorch's own index, and whoever names a backend (UV_TORCH_BACKEND=auto) gets it.
    """
    known = {**places.environment, **told}
    return sys.platform == "linux" and not any(known.get(name) for name in ("UV_TORCH_BACKEND", *_SAID_TO_UV))


def as_file(places: Places | None = None) -> str:
    """Returns the settings as a pip.conf."""
    lines = [f"{key} = {' '.join(value.split())}" for key, value in settings(places).items()]
    return "\n".join(["[global]", *lines, ""])


def redacted(text: str) -> str:
    """Returns the text without the user names, passwords and tokens of any URL in it."""
    return _CREDENTIALS.sub("****@", text)


def _without_no_index(values: dict[str, str]) -> dict[str, str]:
    """Turns `no-index`, which uv has no variable for, into one index that has nothing."""
    if values.pop("no-index", "").lower() not in {"1", "true", "yes", "on", "t", "y"}:
        return values
    return {**{key: value for key, value in values.items() if key != "extra-index-url"}, "index-url": _NOTHING}


def _said(key: str, value: str) -> str:
    match key:
        case "find-links":
            # pip passes over a folder that is not there; uv would stop.
            return ",".join(place for place in value.split() if _is_there(place))
        case _:
            return " ".join(value.split())


def _is_there(place: str) -> bool:
    parts = urlsplit(place)
    if parts.scheme in ("", "file"):
        return Path(url2pathname(parts.path)).expanduser().exists()
    return True


def _files(places: Places) -> Iterator[Path]:
    """Yields pip's files of settings, from the weakest to the strongest."""
    own = places.environment.get("PIP_CONFIG_FILE", "")
    if own == os.devnull:
        return
    *shared, user = places.configs
    for folder in shared:
        yield folder / "pip" / "pip.conf"
    yield places.etc / "pip.conf"
    # Another file in place of the user's own.
    if not (own and Path(own).exists()):
        yield places.home / ".pip" / "pip.conf"
        yield user / "pip" / "pip.conf"
        if sys.platform == "darwin":
            yield places.home / "Library" / "Application Support" / "pip" / "pip.conf"
    yield Path(sys.prefix, "pip.conf")
    if own:
        yield Path(own)


def _files_of_uv(places: Places) -> Iterator[Path]:
    yield from (folder / "uv" / "uv.toml" for folder in places.configs)
    yield places.etc / "uv" / "uv.toml"


def _read(file: Path) -> dict[str, str]:
    """Reads a file of settings. A broken one counts for nothing: pip itself tells, and more may stand in it."""
    parser = configparser.RawConfigParser()
    try:
        parser.read(file, encoding="utf-8")
    except (OSError, UnicodeDecodeError, configparser.Error):
        return {}
    values: dict[str, str] = {}
    for section in filter(parser.has_section, _SECTIONS):
        for name, value in parser.items(section):
            key = name.lower().replace("_", "-").removeprefix("--")
            if key in KEYS and value.strip():
                values[key] = value.strip()
    return values
