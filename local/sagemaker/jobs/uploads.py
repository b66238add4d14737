"""Folders whose files go to S3 while a job runs: checkpoints, and processing outputs that are Continuous."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from local.sagemaker.jobs.job import Job
from local.sagemaker.machine import storage
from local.sagemaker.machine.logs import LogStream
from local.sagemaker.wire.errors import StorageError

_State = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Synced:
    """A folder and the S3 location that its files go to."""

    folder: Path
    uri: str


class Uploads:
    """A context manager: inside it one thread uploads each file that has stayed the same between two looks.

    `finish` then uploads what is left. A file that is removed stays in S3, as on AWS.
    """

    def __init__(self, job: Job, log: LogStream, synced: Sequence[Synced]) -> None:
        self._machine = job.machine
        self._log = log
        self._synced = synced
        self._seen: dict[Path, _State] = {}
        self._uploaded: dict[Path, _State] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"uploads-{job.name}", daemon=True)

    def __enter__(self) -> "Uploads":
        if self._synced:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def skip_present(self) -> None:
        """Takes what is in the folders now for what came from S3."""
        for synced in self._synced:
            self._uploaded |= _states(synced.folder)

    def finish(self) -> None:
        """Raises StorageError."""
        self._upload(settled=False)

    def _run(self) -> None:
        while not self._over.wait(self._machine.settings.sync_seconds):
            try:
                self._upload(settled=True)
            except StorageError as error:
                # It is tried again at the next look, and at the end it counts.
                self._log.write(f"[local] {error}")

    def _upload(self, *, settled: bool) -> None:
        for synced in self._synced:
            for path, state in _states(synced.folder).items():
                same, self._seen[path] = self._seen.get(path) == state, state
                if self._uploaded.get(path) == state or (settled and not same):
                    continue
                if self._machine.closing.is_set():
                    return
                name = path.relative_to(synced.folder).as_posix()
                storage.upload_file(self._machine.s3, path, storage.joined(synced.uri, name))
                self._uploaded[path] = state


def _states(folder: Path) -> dict[Path, _State]:
    """Returns each regular file of `folder`; links count only where they stay inside, as in `storage.upload_folder`."""
    root = folder.resolve()
    states: dict[Path, _State] = {}
    for path in sorted(folder.rglob("*")):
        try:
            if path.is_file() and path.resolve().is_relative_to(root):
                state = path.stat()
                states[path] = (state.st_mtime_ns, state.st_size)
        except OSError:
            # It was removed a moment ago.
            continue
    return states
