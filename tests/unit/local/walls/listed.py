"""What docs/security.md lists of the machine's files, and the question whether a program found more."""

import re
from pathlib import Path
from typing import Any

from tests.unit.local.walls import census

SOURCE = Path(census.__file__).read_text()
"""The program that looks around."""
_SEEN = Path("docs/security.md").read_text().partition("### What is seen")[2].partition("###")[0]
_ENTRIES = {name.removeprefix("/").partition("/")[0] for name in re.findall(r"`(/[\w/]+)`", _SEEN)}
_DEVICES = {*re.findall(r"`(\w+)`", _SEEN.partition("| `/dev`:")[2].partition("|")[0])}
_CARDS = ("nvidia", "kfd", "dri")
# Links to what a process has open, and the terminals and shared memory that are listed as its own.
_LINKS = {"fd", "stdin", "stdout", "stderr", "ptmx", "pts", "shm"}
_NO_CAPABILITY = "0" * 16


def check(seen: Any, *kept: str | Path) -> None:
    """Fails for what is not listed; `kept` are the folders that this program needs, at their own places."""
    assert set(seen["root"]) - _ENTRIES <= {Path(folder).parts[1] for folder in kept}
    assert {name for name in seen["devices"] if not name.startswith(_CARDS)} - _LINKS <= _DEVICES
    assert (seen["CapBnd"], seen["CapEff"], seen["CapPrm"]) == (_NO_CAPABILITY,) * 3
    assert seen["NoNewPrivs"] == "1"
    assert not seen["settings"]
    assert max(seen["processes"]) < 20


def written(seen: Any, *own: str) -> set[str]:
    """Returns the folders that could be written to and that are not below the program's own."""
    return {path for path in seen["written"] if not path.startswith(own)}
