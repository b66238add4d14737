"""MiniStack imported with our settings, mended, and served on loopback.

MiniStack reads its settings from the environment when it is imported, keeps its services in a plain dict and its
state in module globals, so there is one per process.
"""

import asyncio
import json
import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import botocore.session

from local.ministack import executions, functions, objects
from local.settings import ACCOUNT, REGION, LocalSettings

Handler = Callable[
    [str, str, Mapping[str, str], bytes, Mapping[str, list[str]]],
    Awaitable[tuple[int, dict[str, str], bytes]],
]
AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]


def load(settings: LocalSettings) -> AsgiApp:
    """Import MiniStack with our settings and mend what stands between a template and a faithful run."""
    _set_environment(settings)
    from ministack import app as ministack_app

    logging.getLogger("ministack").setLevel(logging.WARNING)
    for name in ("s3", "states", "lambda", "events", "cloudformation", "dynamodb", "persistence"):
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger().setLevel(logging.ERROR)
    executions.start_at_once()
    functions.report_exceptions_by_class()
    functions.run_in_turns()
    executions.fail_waits_whose_function_failed()
    objects.put_version_ids_in_events()
    objects.keep_versions_on_disk()
    executions.keep_running()
    functions.closing.clear()
    return ministack_app.app  # type: ignore[no-any-return]


def _set_environment(settings: LocalSettings) -> None:
    # Lambda functions inherit this process's environment: nothing in it may lead to a real account.
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    ministack_dir = settings.state_dir / "ministack"
    _use_temporary_folder(settings.state_dir / "tmp")
    os.environ.update(
        {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": settings.endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
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
            "POWERTOOLS_TRACE_DISABLED": "true",
        }
    )


def _use_temporary_folder(folder: Path) -> None:
    """Keep the unpacked code of functions where a killed cloud's leftovers are found and removed by the next one."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)


def mount(service: str, handler: Handler) -> None:
    """Answer a service (by its signing name) with our own handler."""
    from ministack import app as ministack_app
    from ministack.core import router

    ministack_app.SERVICE_HANDLERS[service] = handler
    # Left alone, the first request for a service that MiniStack itself does not have makes it read every model that
    # botocore ships, to learn whether there is such a service: 430 MB and some seconds.
    names = botocore.session.get_session().get_available_services()
    router._KNOWN_AWS_SERVICE_NAMES = frozenset({*names, service})


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


async def serve(app: AsgiApp, settings: LocalSettings, stop: asyncio.Event, listening: threading.Event) -> None:
    """Serve on loopback until `stop` is set; `listening` is set once the port accepts connections."""
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"127.0.0.1:{settings.port}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 1
    config.errorlog = None
    config.accesslog = None

    async def trigger() -> None:
        # Hypercorn awaits the trigger only after its sockets listen.
        listening.set()
        await stop.wait()

    await hypercorn_serve(app, config, shutdown_trigger=trigger)


def close() -> None:
    """Start no function any more: what runs is interrupted as by a crash, and resumed by the next start."""
    functions.closing.set()
    functions.stop_workers()
