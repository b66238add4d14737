"""state_machines/ in step with workflows/, without importing the SDK that renders them when nothing has changed."""

import hashlib
import importlib.metadata
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from cli.project.checkout import Project


def write_machines(project: Project) -> tuple[Path, ...]:
    """Writes each machine whose file differs from its source. Returns the files that changed."""
    stamps = project.cache_dir / "state_machines"
    if (stamps / _address(project.state_machines)).is_file():
        return ()
    # The stepfunctions SDK, and the sagemaker SDK that it imports, take more than a second.
    from workflows import render

    written = render.write(project.state_machines)
    stamps.mkdir(parents=True, exist_ok=True)
    (stamps / _address(project.state_machines)).touch()
    return written


def _address(folder: Path) -> str:
    """Hashes what machines are made from and what stands in their folder."""
    digest = hashlib.sha256(importlib.metadata.version("stepfunctions").encode())
    for place in (*_sources(), *sorted(folder.glob("*.asl.json"))):
        digest.update(f"\n{place.name}\n".encode())
        digest.update(place.read_bytes())
    return digest.hexdigest()


def _sources() -> Iterator[Path]:
    package = importlib.util.find_spec("workflows")
    for folder in (package.submodule_search_locations if package else None) or ():
        yield from sorted(Path(folder).rglob("*.py"))
