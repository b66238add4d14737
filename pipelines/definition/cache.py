"""Definitions, from a folder that keeps them under the hash of everything they depend on, or from the SDK.

So an unchanged algorithm imports no SDK.
"""

import hashlib
import importlib.metadata
import json
import os
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

from pipelines.definition import exchange
from pipelines.definition.document import canonical
from pipelines.definition.exchange import Refusal
from pipelines.definition.request import Request
from pipelines.progress import Progress

_AFTERWARDS: Final = frozenset({"publishing"})
"""The parts of pipelines/ that change nothing in a definition: they are about what becomes of it."""


def definitions(requests: Sequence[Request], folder: Path, progress: Progress) -> list[str | Refusal]:
    """Returns the canonical text of each definition, or what the SDK refuses. Raises CompileError."""
    places = [folder / f"{_key(request)}.json" for request in requests]
    texts: list[str | Refusal | None] = [_kept(place) for place in places]
    missing = [index for index, text in enumerate(texts) if text is None]
    if missing:
        progress(f"compiling {', '.join(requests[index].spec.name for index in missing)}")
    made = exchange.definitions([requests[index] for index in missing])
    for index, definition in zip(missing, made, strict=True):
        if isinstance(definition, Refusal):
            texts[index] = definition
            continue
        text = texts[index] = canonical(definition)
        _keep(places[index], text)
        progress(f"compiled {requests[index].spec.name}")
    return [text for text in texts if text is not None]


def _key(request: Request) -> str:
    return hashlib.sha256(f"{compiler_version()}\n{request.canonical()}".encode()).hexdigest()


@cache
def compiler_version() -> str:
    """Returns the hash of what makes definitions: the source of pipelines/ and the SDK's version."""
    return source_sha256(Path(__file__).parents[1], importlib.metadata.version("sagemaker"))


def source_sha256(package: Path, sdk: str) -> str:
    """Hashes an SDK's version and every module of a copy of pipelines/, but for those of _AFTERWARDS."""
    digest = hashlib.sha256(sdk.encode())
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package)
        if name.parts[0] not in _AFTERWARDS:
            digest.update(name.as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _kept(place: Path) -> str | None:
    try:
        text = place.read_text(encoding="utf-8")
        json.loads(text)
    except (FileNotFoundError, ValueError):
        # Missing, or cut short by a full disk: compiling again writes it anew.
        return None
    return text


def _keep(place: Path, text: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=place.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    # Renamed whole, so another process compiling the same never reads half a definition.
    Path(temporary).replace(place)
