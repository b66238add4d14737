"""The local cloud as a whole: take the state directory, serve, bring the stack up, stop cleanly.

The walk through it: `front/` (the port) -> `ministack/` (every service but ours) -> `stepfunctions/` and
`sagemaker/` (ours) -> `stack.py` (the template, as CloudFormation brings it up).
"""

import asyncio
import fcntl
import importlib.metadata
import os
import shutil
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import uvloop

from local import ministack, stack
from local.clients import LocalClients, leave_accounts
from local.errors import IsolationRefused, LocalCloudError, PortInUse, StateInUse
from local.front.app import Behind, front
from local.lifecycle import Lifecycle
from local.memory import give_back_what_is_large
from local.ministack.starting import Starts
from local.sagemaker.machine.settings import Isolation
from local.sagemaker.machine.settings import Settings as SageMakerSettings
from local.sagemaker.service import SageMaker
from local.sagemaker.wire.errors import IsolationError
from local.settings import ACCOUNT, REGION, LocalSettings
from local.stepfunctions.executor.collector import collect_seldom
from local.stepfunctions.journal.errors import JournalError
from local.stepfunctions.service import Settings as StepFunctionsSettings
from local.stepfunctions.service import StepFunctions
from local.walls.boundary import NO_WALLS
from local.walls.groups import beside_own
from local.walls.probing import strongest, weakest

Progress = Callable[[str], None]
"""Told in a few words what is being done now."""

_START_SECONDS = 30.0
_END_SECONDS = 0.2


def _say_nothing(_: str) -> None:
    return


def _private_lock(folder: Path) -> IO[str]:
    """Opens the lock of a state directory, which nobody else may look into from now on. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(PermissionError):
        # Where it is another user's (a mounted volume), it is theirs to close; our files in it are ours alone.
        folder.chmod(0o700)
    lock = folder / "lock"
    descriptor = os.open(lock, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    lock.chmod(0o600)
    return os.fdopen(descriptor, "a+")


class LocalCloud:
    """One local cloud; a context manager that has stopped everything it started when it is left.

    There can be one in a process (MiniStack keeps its state in module globals).
    """

    def __init__(self, settings: LocalSettings, progress: Progress = _say_nothing) -> None:
        self.settings = settings
        leave_accounts()
        self.clients = LocalClients(settings.endpoint)
        self.stack: stack.Stack | None = None
        self.walls = NO_WALLS
        self.sagemaker = SageMaker(
            self,
            SageMakerSettings(
                state_dir=settings.state_dir / "sagemaker",
                cache_dir=settings.cache_dir,
                account=ACCOUNT,
                region=REGION,
                partition="aws",
                images=settings.images,
                image_map=settings.template.parent / "images.yaml",
                steps_file=settings.template.parent / "steps.yaml",
                isolation=settings.isolation,
            ),
        )
        self.stepfunctions = StepFunctions(
            self,
            StepFunctionsSettings(state_dir=settings.state_dir / "stepfunctions", account=ACCOUNT, region=REGION),
            lambda status: ministack.wants("aws.states", status),
        )
        self._starts: Starts | None = None
        self._lifecycle = Lifecycle(self.client)
        self._progress = progress
        self._ready = False
        self._lock_file: IO[str] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._server: threading.Thread | None = None
        self._listening = threading.Event()
        self._broken: BaseException | None = None

    # What `local.sagemaker` and `local.stepfunctions` ask of the cloud they stand in.

    def client(self, service: str) -> Any:
        return self.clients.client(service)

    def emit(self, source: str, detail_type: str, detail: Mapping[str, object], resources: Sequence[str]) -> None:
        ministack.emit(source, detail_type, detail, resources)

    # Life.

    def start(self) -> None:
        """Serves and brings the stack up. Raises LocalCloudError, with nothing left running."""
        give_back_what_is_large()
        try:
            self._take_state_dir()
            self._take_port()
            self._build_walls()
            self._progress("starting the services")
            self._serve()
            self._progress("bringing the stack up")
            self.stack = stack.deploy(self.settings, self.clients, ministack.taken_over)
            self._start_sagemaker()
            # Only now: what they do next asks functions and services of this stack.
            if resumed := self.stepfunctions.resume():
                self._progress(f"going on with {resumed} executions")
            ministack.deliver()
            self._lifecycle.start()
            collect_seldom()
        except BaseException:
            self.stop()
            raise

    def _build_walls(self) -> None:
        """Finds out which walls this machine has for functions, whatever the containers of jobs are asked to be."""
        groups = beside_own(self.settings.bounds)
        if self.settings.bounds.chosen and groups.folder is None:
            raise IsolationRefused(
                f"memory, processes and processors cannot be bounded: {groups.reason}; "
                "try `systemd-run --user --scope -p Delegate=yes headrace up ...`"
            )
        base_dir = self.settings.isolation == Isolation.BASE_DIR
        self.walls = replace(weakest("asked for") if base_dir else strongest(), groups=groups)

    def _start_sagemaker(self) -> None:
        try:
            self.sagemaker.start(self.walls.groups)
        except IsolationError as error:
            raise IsolationRefused(str(error)) from error

    def ready(self) -> None:
        """Says at /_headrace/health that the stack is up and the catalogue is published."""
        self._ready = True

    def stop(self) -> None:
        """Stops jobs, endpoints, functions and the server; writes the state. Safe to call twice."""
        self._ready = False
        self._lifecycle.stop()
        # Functions first: none may take the end of another service for a failure of its own and write that down.
        # Those that are interrupted are answered after the engine has stopped listening.
        ministack.close()
        self.stepfunctions.stop()
        if self._starts is not None:
            self._starts.close()
            self._starts = None
        self.sagemaker.stop()
        if self._loop is not None and self._stop is not None and self._server is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            while self._server.is_alive():
                # The server waits for its functions; one that was just being started when the others were ended
                # would go on calling a cloud that is gone, until its own timeout.
                ministack.stop_workers()
                self._server.join(_END_SECONDS)
            self._server = None
        ministack.stop_workers()
        self.walls.groups.close()
        if self._lock_file is not None:
            self._lock_file.close()
            self._lock_file = None

    def __enter__(self) -> "LocalCloud":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def health(self) -> Mapping[str, object]:
        """Returns the health page of design.md."""
        outputs = self.stack.outputs if self.stack else {}
        return {
            "status": "ready" if self._ready else "starting",
            "api_url": self.settings.endpoint,
            "uploads_bucket": outputs.get("UploadsBucket"),
            "artifacts_bucket": outputs.get("ArtifactsBucket"),
            "version": importlib.metadata.version("headrace"),
        }

    def _take_state_dir(self) -> None:
        try:
            file = _private_lock(self.settings.state_dir)
        except OSError as error:
            raise LocalCloudError(
                f"{self.settings.state_dir}: expected a folder to keep the state in, found: {error.strerror}"
            ) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            owner = file.read().strip() or "another process"
            file.close()
            raise StateInUse(
                f"{self.settings.state_dir} is in use by a local cloud (process {owner}); "
                "stop that one or choose another --state-dir"
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._lock_file = file
        if self.settings.fresh:
            self._empty_state_dir()

    def _empty_state_dir(self) -> None:
        # Only whoever holds the lock may do this: another cloud may still be reading there.
        for entry in self.settings.state_dir.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != "lock":
                entry.unlink()

    def _take_port(self) -> None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", self.settings.port)) == 0:
                raise PortInUse(
                    f"port {self.settings.port} is in use; stop what listens there or choose another --port"
                )

    def _serve(self) -> None:
        app = ministack.load(self.settings, self.walls)
        ministack.mount("sagemaker", self.sagemaker.handle)
        self._starts = ministack.install_states(self.stepfunctions, self.clients.client)
        try:
            self.stepfunctions.start()
        except JournalError as error:
            raise LocalCloudError(str(error)) from error
        behind = Behind(
            app,
            self.health,
            lambda: self.stack.api_id if self.stack else None,
            {b"AWSStepFunctions": self.stepfunctions.handle, b"SageMaker": self.sagemaker.handle},
            self.sagemaker.serve,
        )
        application = front(behind, self.settings.allow_hosts)

        def run() -> None:
            try:
                uvloop.run(self._serve_until_stopped(application))
            except BaseException as error:  # noqa: BLE001 - the thread's edge: start() reports it
                self._broken = error
            finally:
                self._listening.set()

        self._server = threading.Thread(target=run, name="local-cloud", daemon=True)
        self._server.start()
        if not self._listening.wait(_START_SECONDS) or self._broken is not None:
            raise LocalCloudError(f"the local cloud did not start: {self._broken or 'no answer in 30 s'}")

    async def _serve_until_stopped(self, application: ministack.AsgiApp) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        await ministack.serve(application, self.settings, self._stop, self._listening)
