"""SAM templates as CloudFormation's, kept on disk: the same template becomes the same one, and the transform costs more
processor time than everything else that is done to create a stack.

What is kept is what MiniStack itself was answered, under the digest of all that the answer depends on.
"""

import hashlib
import importlib.metadata
import json
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from local.documents import Document

SAM = "AWS::Serverless-2016-10-31"
KEPT = 16
"""Templates; those that were asked for last."""

Transform = Callable[..., Document]


def install(folder: Path) -> None:
    """Keep in this folder what templates become. Each of MiniStack's modules has its own name for the transform."""
    from ministack.services.cloudformation import changesets, engine, handlers

    transform: Transform = getattr(engine._apply_transforms, "of_ministack", engine._apply_transforms)

    def kept(template: Document, *parameters: Any, **more: Any) -> Document:
        if not _depends_on_itself_alone(template):
            return transform(template, *parameters, **more)
        place = folder / f"{_digest(template, engine.get_region())}.json"
        processed = _read(place)
        if processed is None:
            processed = transform(template, *parameters, **more)
            # A refusal is a subclass, and is asked for again.
            if type(processed) is dict:
                _keep(place, processed)
        return processed

    kept.of_ministack = transform  # type: ignore[attr-defined]
    for module in (changesets, engine, handlers):
        module._apply_transforms = kept


def _depends_on_itself_alone(template: Document) -> bool:
    """Tells whether SAM is all that is asked for: what is included lies elsewhere, and loops take parameters."""
    return template.get("Transform") in (SAM, [SAM]) and "Fn::Transform" not in json.dumps(template, default=str)


def _digest(template: Document, region: str) -> str:
    versions = [importlib.metadata.version(name) for name in ("ministack", "aws-sam-translator")]
    text = json.dumps([template, region, versions], default=repr)
    return hashlib.sha256(text.encode()).hexdigest()


def _read(place: Path) -> Document | None:
    try:
        processed: Document = json.loads(place.read_bytes())
        os.utime(place)
    except (OSError, ValueError):
        return None
    return processed


def _keep(place: Path, processed: Document) -> None:
    """Writes it whole or not at all. A folder that cannot be written keeps nothing, and nobody misses it."""
    text = json.dumps(processed, default=repr)
    if json.loads(text) != processed:
        return
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=place.parent, suffix=".part", delete=False) as part:
            part.write(text)
        Path(part.name).replace(place)
        for old in sorted(place.parent.glob("*.json"), key=lambda path: path.stat().st_mtime)[:-KEPT]:
            old.unlink(missing_ok=True)
