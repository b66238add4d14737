"""MiniStack imported with our settings, mended, and served on loopback.

MiniStack reads its settings from the environment when it is imported, keeps its services in a plain dict and its
state in module globals, so there is one per process.
"""

import asyncio
import functools
import json
import logging
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import uvicorn

from local.clients import leave_accounts
from local.ministack import (
    alarms,
    checksums,
    cors,
    encryption,
    forms,
    functions,
    http_apis,
    identity,
    objects,
    parts,
    persistence,
    reading,
    schedules,
    subresources,
    transforms,
    unserved,
)
from local.ministack.bulk import Bulk
from local.settings import ACCOUNT, REGION, LocalSettings
from local.surroundings import Handler, Request, Response
from local.walls.boundary import Boundary

AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]


def load(settings: LocalSettings, boundary: Boundary) -> AsgiApp:
    """Import MiniStack with our settings and mend what stands between a template and a faithful run."""
    _set_environment(settings)
    folder = settings.state_dir / "ministack"
    objects.finish_writes(folder / "s3")
    from ministack import app as ministack_app

    logging.getLogger("ministack").setLevel(logging.WARNING)
    for name in ("s3", "states", "lambda", "events", "cloudformation", "dynamodb", "persistence"):
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger().setLevel(logging.ERROR)
    functions.install(boundary)
    mend_s3()
    unserved.install()
    encryption.take_the_account_key()
    identity.call_the_unknown_a_role()
    cors.install()
    http_apis.install()
    transforms.install(settings.cache_dir / "templates")
    alarms.install()
    objects.put_version_ids_in_events()
    schedules.install()
    persistence.open_state(folder)
    return ministack_app.app  # type: ignore[no-any-return]


def mend_s3() -> None:
    """Put right, within MiniStack's S3, what its clients would notice."""
    objects.name_types_as_s3()
    checksums.install()
    parts.install()
    forms.install()
    subresources.install()
    reading.install()
    Bulk().install()


def _set_environment(settings: LocalSettings) -> None:
    # What is named in functions/environment.py reaches functions; nothing may lead anybody to a real account.
    leave_accounts()
    ministack_dir = settings.state_dir / "ministack"
    _use_temporary_folder(settings.state_dir / "tmp")
    os.environ.update(
        {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": settings.endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(settings.port),
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "MINISTACK_REGION": REGION,
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "LOG_LEVEL": "ERROR",
            "PERSIST_STATE": "1",
            "STATE_DIR": str(ministack_dir / "state"),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(ministack_dir / "s3"),
        }
    )


def _use_temporary_folder(folder: Path) -> None:
    """Keep the unpacked code of functions where a killed cloud's leftovers are found and removed by the next one."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)


def mount(service: str, handle: Handler) -> None:
    """Answer a service (by its signing name) with our own handler."""
    from ministack import app as ministack_app

    async def answer(*request: Any) -> Response:
        return await handle(Request(*request))

    ministack_app.SERVICE_HANDLERS[service] = answer


def emit(source: str, detail_type: str, detail: Mapping[str, object], resources: Sequence[str]) -> None:
    """Put an event of an AWS service on the default bus; the public PutEvents refuses `aws.*` sources."""
    from ministack.services import eventbridge

    entry = {
        "Source": source,
        "DetailType": detail_type,
        "Detail": json.dumps(detail, default=str),
        "Resources": list(resources),
    }
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
    persistence.settle()


@functools.lru_cache(maxsize=4096)
def _may_match(pattern: str, source: str, status: str | None) -> bool:
    """Tells whether a rule with this pattern could want an event; True where that is not plain to see."""
    try:
        wanted = json.loads(pattern)
        sources, statuses = wanted.get("source"), wanted.get("detail", {}).get("status")
    except (ValueError, AttributeError):
        return True
    return _may_be(sources, source) and (status is None or _may_be(statuses, status))


def _may_be(values: object, value: str) -> bool:
    return not isinstance(values, list) or any(wanted == value or not isinstance(wanted, str) for wanted in values)


def wants(source: str, status: str | None = None) -> bool:
    """Tells whether an event of this source, and with this `status` in its detail, could reach a rule or an archive
    now.
    """
    from ministack.services import eventbridge

    if any(True for _ in list(eventbridge._archives.all_values())):
        return True
    rules = list(eventbridge._rules.all_values())
    return any(rule.get("EventPattern") and _may_match(rule["EventPattern"], source, status) for rule in rules)


async def serve(app: AsgiApp, settings: LocalSettings, stop: asyncio.Event, listening: threading.Event) -> None:
    """Serve on loopback until `stop` is set; `listening` is set once the port accepts connections."""
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=settings.port,
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        # MiniStack gives each answer its own Date, and AWS's Server or none.
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config, listening)
    waiting = asyncio.create_task(_end_when(stop, server))
    try:
        await server.serve()
    finally:
        waiting.cancel()
        persistence.close_state()


class _Server(uvicorn.Server):
    """Tells when it listens."""

    def __init__(self, config: uvicorn.Config, listening: threading.Event) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # A failure in MiniStack's own start is only logged there.
        persistence.check()
        self._listening.set()


async def _end_when(stop: asyncio.Event, server: uvicorn.Server) -> None:
    await stop.wait()
    server.should_exit = True


def close() -> None:
    """Start no function any more: what runs is interrupted as by a crash, and resumed by the next start."""
    persistence.interrupt()
    functions.close()
