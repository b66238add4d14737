"""An instance's volume: a folder whose files may take so much and no more.

Nothing reserves the space: the files are looked at again and again, so a container that writes fast can be over the
limit for as long as one pause before it is ended.
"""

import os
import time
from pathlib import Path

from local.sagemaker.machine.machine import Machine

_LEAST_PAUSE = 0.5
_PAUSES_PER_LOOK = 20
"""A look at very many files is made more rarely: it may take a twentieth of the time."""
_GIB = 1 << 30


class Volume:
    def __init__(self, machine: Machine, folder: Path, gigabytes: int | None) -> None:
        """`gigabytes` is the request's VolumeSizeInGB (GiB, as EBS counts); 0 or None: only the settings' cap."""
        most = machine.settings.volume_bytes
        self.limit = min(most, gigabytes * _GIB) if gigabytes else most
        self.folder = folder
        self.pause = _LEAST_PAUSE
        """Seconds until the next look."""

    def is_overfull(self) -> bool:
        began = time.monotonic()
        overfull = _used(self.folder, self.limit) > self.limit
        self.pause = max(_LEAST_PAUSE, _PAUSES_PER_LOOK * (time.monotonic() - began))
        return overfull

    @property
    def reason(self) -> str:
        return (
            f"the files of the instance take more than its volume of {self.limit:,} bytes (VolumeSizeInGB), and it was "
            "stopped"
        )


def _used(folder: Path, enough: int) -> int:
    """Counts the bytes on the disk of everything below; counting ends at `enough`."""
    used = 0
    pending = [str(folder)]
    while pending and used <= enough:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    used += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
        except OSError:
            # It was removed a moment ago.
            continue
    return used
