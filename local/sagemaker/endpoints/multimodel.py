"""Many models behind one container: fetched from S3 and loaded into it when they are asked for.

Source: "Custom Containers Contract for Multi-Model Endpoints" in the SageMaker developer guide.
"""

import hashlib
import io
import json
import shutil
import threading
import time
from collections import OrderedDict
from pathlib import Path

from local.sagemaker.machine import storage
from local.sagemaker.machine.machine import Machine
from local.sagemaker.machine.processes import environment
from local.sagemaker.resources.models import Served
from local.sagemaker.serving.image import fetch_archive
from local.sagemaker.serving.server import Server
from local.sagemaker.wire.errors import StorageError, WorkFailed

_LOADED, _ALREADY, _FULL = 200, 409, 507
_JSON = {"Content-Type": "application/json", "Accept": "application/json"}


class ModelNotThere(WorkFailed):
    """The target model is not in S3."""


class ManyModels:
    """The models of one container process. Thread-safe; loads one at a time."""

    def __init__(self, machine: Machine, served: Served, folder: Path) -> None:
        self._machine = machine
        self._served = served
        self._folder = folder
        self._lock = threading.Lock()
        self._names: OrderedDict[str, None] = OrderedDict()
        """Those in the container's memory, the one asked for least recently first."""
        self._generation = 0

    def loaded(self, server: Server, target: str, deadline: float) -> str:
        """Returns the path to invoke `target` at, once it is loaded. Raises WorkFailed, NoAnswer, TooLate."""
        name = hashlib.sha256(target.encode()).hexdigest()[:32]
        with self._lock:
            if server.generation != self._generation:
                self._names.clear()
                self._generation = server.generation
            if name not in self._names or not self._served.cached:
                self._load(server, name, target, deadline)
            self._names[name] = None
            self._names.move_to_end(name)
        return f"/models/{name}/invoke"

    def _load(self, server: Server, name: str, target: str, deadline: float) -> None:
        if not self._served.cached:
            self._unload(server, name, deadline)
        self._fetch(name, target)
        url = f"{environment.seen(self._machine, self._folder)}/models/{name}/model"
        content = json.dumps({"model_name": name, "url": url}).encode()
        headers = {**_JSON, "X-Amzn-SageMaker-Target-Model": target}
        while True:
            status, said = _call(server, "POST", "/models", headers, content, deadline)
            if status in (_LOADED, _ALREADY):
                return
            if status != _FULL or not self._names:
                raise WorkFailed(f"The container did not load {target}: it answered {status}. {said}".rstrip())
            # No room: the one that nobody asked for longest makes it.
            oldest, _ = self._names.popitem(last=False)
            self._unload(server, oldest, deadline)

    def _unload(self, server: Server, name: str, deadline: float) -> None:
        self._names.pop(name, None)
        _call(server, "DELETE", f"/models/{name}", _JSON, None, deadline)

    def _fetch(self, name: str, target: str) -> None:
        """Fetches a model to /opt/ml/models. One that is there is used again, unless models are not to be kept."""
        place = self._folder / "ml" / "models" / name
        if place.is_dir() and self._served.cached:
            return
        aside = place.with_name(f"{name}.part-{threading.get_ident()}")
        shutil.rmtree(aside, ignore_errors=True)
        location = storage.joined(self._served.data or "", target)
        try:
            fetch_archive(self._machine, location, aside / "model", aside.with_suffix(".tar.gz"))
        except WorkFailed as error:
            shutil.rmtree(aside, ignore_errors=True)
            raise _not_there(location) if isinstance(error.__cause__, StorageError) else error from error
        shutil.rmtree(place, ignore_errors=True)
        try:
            aside.rename(place)
        except OSError:
            # Another instance, which has the same folder, was first.
            shutil.rmtree(aside, ignore_errors=True)


def _not_there(location: str) -> ModelNotThere:
    bucket, key = storage.split(location)
    return ModelNotThere(
        f"Failed to download model data(bucket: {bucket}, key: {key}). Please ensure that there is an object located "
        "at the URL and that the role passed to CreateModel has permissions to download the model."
    )


def _call(
    server: Server, method: str, path: str, headers: dict[str, str], content: bytes | None, deadline: float
) -> tuple[int, str]:
    body = None if content is None else io.BytesIO(content)
    exchange = server.open(method, path, headers, body, deadline - time.monotonic())
    said = io.BytesIO()
    try:
        while chunk := exchange.read():
            said.write(chunk)
    finally:
        exchange.close()
    return exchange.status, said.getvalue()[:1000].decode("utf-8", "replace")
