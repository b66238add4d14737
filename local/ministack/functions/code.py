"""A function's code and its layers on disk: unpacked once for each content, and shared by its processes.

AWS mounts /var/task read-only, so no function can tell; and Python compiles a module for the first of them only.
"""

import hashlib
import io
import os
import shutil
import tempfile
import threading
import zipfile
from pathlib import Path

_lock = threading.Lock()


def unpacked(archive: bytes) -> Path:
    """Returns the folder with an archive's content. Raises zipfile.BadZipFile."""
    folder = Path(tempfile.gettempdir()) / "functions" / hashlib.sha256(archive).hexdigest()
    # Not while another thread unpacks the same archive; and no process is started from half a folder, because it has
    # its name only when it is whole.
    with _lock:
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            parts = Path(tempfile.mkdtemp(dir=folder.parent))
            try:
                _unpack(archive, parts)
                parts.chmod(0o755)
                parts.rename(folder)
            except BaseException:
                shutil.rmtree(parts, ignore_errors=True)
                raise
    return folder


def _unpack(archive: bytes, folder: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(archive)) as content:
        for entry in content.infolist():
            path = content.extract(entry, folder)
            mode = entry.external_attr >> 16 & 0o777
            if mode and not entry.is_dir():
                # An executable that the function calls keeps its bit; we have to be able to remove every file.
                os.chmod(path, mode | 0o600)  # noqa: PTH101 - extract() answers with a string
