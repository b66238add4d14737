"""The process that imports the sagemaker SDK: requests on standard input, one JSON line of answer each.

A process of its own keeps the SDK's habits to itself: it replaces `sys.excepthook`, sets up the root logger, reads
configuration files of the user, and stays in memory with 250 MB. Started by `exchange.definitions`, with an environment
that holds no credentials; sockets are closed here as well.
"""

import gc
import json
import logging
import socket
import sys
import warnings
from typing import NoReturn

from pipelines.definition.request import Request
from pipelines.documents import Document
from pipelines.problems import CompileError, SpecRefused


def _no_network(*_: object, **__: object) -> NoReturn:
    raise ConnectionError("compiling needs no network, and may not use one")


def close_network() -> None:
    """Makes every connection and name look-up of this process fail."""
    socket.socket.connect = _no_network  # type: ignore[method-assign]
    socket.socket.connect_ex = _no_network  # type: ignore[method-assign]
    socket.getaddrinfo = _no_network


def main() -> None:
    """Answers every request of standard input, in order."""
    close_network()
    # What the SDK is made of stays until the end: looking through it for garbage is a quarter of its import.
    gc.disable()
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    requests = json.load(sys.stdin)
    answers = sys.stdout
    # Whatever the SDK prints belongs to nobody.
    sys.stdout = sys.stderr
    for data in requests:
        answers.write(json.dumps(_answer(data), sort_keys=True) + "\n")
        answers.flush()


def _answer(data: Document) -> Document:
    try:
        from pipelines.definition.pipeline import define

        return {"definition": define(Request.from_json(data))}
    except SpecRefused as refused:
        return {"path": refused.path, "refused": refused.text}
    except Exception as error:  # noqa: BLE001 - the process's edge: the parent turns it into a CompileError
        said = " ".join(str(error).split())
        return {"error": said if isinstance(error, CompileError) else f"{type(error).__name__}: {said}"}


if __name__ == "__main__":
    main()
