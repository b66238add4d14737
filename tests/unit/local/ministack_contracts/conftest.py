"""MiniStack as `serving.load` mends it, on a port of its own in this process; nothing of it stays changed."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from ministack import app as ministack_app
from ministack.core import router
from ministack.services import s3

from local.clients import LocalClients
from local.ministack import serving, unserved
from local.settings import free_port


class Served:
    """Clients of it."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.client: Callable[[str], Any] = LocalClients(endpoint).client


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    names: dict[Any, dict[str, Any]] = {module: dict(vars(module)) for module in (s3, ministack_app, router)}
    folder: Path = tmp_path_factory.mktemp("s3")
    s3.DATA_DIR, s3.S3_PERSIST = str(folder), True
    serving.mend_s3()
    unserved.install()
    port, ready = free_port(), threading.Event()
    server = _Server(uvicorn.Config(ministack_app.app, port=port, lifespan="off", log_config=None), ready)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), name="served", daemon=True)
    thread.start()
    try:
        assert ready.wait(10)
        yield Served(f"http://127.0.0.1:{port}")
    finally:
        server.should_exit = True
        thread.join()
        s3.reset()
        for module, before in names.items():
            vars(module).update(before)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: threading.Event) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self._ready.set()
