"""gunicorn's settings; `serve.py` names this file. Who listens in front of it is told by SERVE_BIND."""

import os
from pathlib import Path
from typing import Any

bind = os.environ["SERVE_BIND"]
wsgi_app = "wsgi:application()"
# Loaded once, before the port opens and before the workers give up root: a mistake in it ends the server at once.
preload_app = True
# MODEL_SERVER_WORKERS is what SageMaker's own serving images are told by, too.
workers = int(os.environ.get("MODEL_SERVER_WORKERS", "0")) or len(os.sched_getaffinity(0))
# Threads, so that /ping is answered while an image is being worked on.
worker_class = "gthread"
threads = 4
# SageMaker gives an invocation 60 seconds, and 30 seconds pass between its SIGTERM and its SIGKILL.
timeout = 60
graceful_timeout = 25
# A worker shows it is alive by touching a file: on a slow disk that would make it look dead.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None
# gunicorn's own control channel: a file in the home folder, which nobody here speaks to.
control_socket_disable = True


def post_worker_init(worker: Any) -> None:
    """gunicorn's hook in each worker: the first one is up. Earlier, a SIGTERM could miss a worker that is starting."""
    if worker.age == 1:
        port = os.environ.get("SERVE_PORT") or worker.sockets[0].getsockname()[1]
        print(f"serving on port {port}", flush=True)
