"""Where the project is: the checkout that holds template.yaml and the catalogue."""

import os
from dataclasses import dataclass
from pathlib import Path

from cli.errors import UsageError

STATE_DIR = Path(".headrace")


@dataclass(frozen=True, slots=True)
class Project:
    """A headrace checkout."""

    root: Path

    @property
    def template(self) -> Path:
        return self.root / "template.yaml"

    @property
    def algorithms(self) -> Path:
        return self.root / "algorithms"

    @property
    def state_machines(self) -> Path:
        return self.root / "state_machines"

    @property
    def goldens(self) -> Path:
        return self.root / "tests" / "golden" / "pipelines"

    @property
    def state_dir(self) -> Path:
        return self.root / STATE_DIR

    @property
    def cache_dir(self) -> Path:
        """Built environments; `HEADRACE_CACHE_DIR` moves it."""
        configured = os.environ.get("HEADRACE_CACHE_DIR")
        return Path(configured).absolute() if configured else self.state_dir / "cache"


def find_project(start: Path | None = None) -> Project:
    """Finds the checkout around the working directory, else the one this command was installed from.

    Raises UsageError when there is none.
    """
    here = (start or Path.cwd()).absolute()
    for folder in (here, *here.parents, Path(__file__).absolute().parents[2]):
        if (folder / "template.yaml").is_file() and (folder / "algorithms").is_dir():
            return Project(folder)
    raise UsageError(f"{here}: no headrace project here or above (a folder with template.yaml and algorithms/)")
