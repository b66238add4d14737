"""What every test starts from."""

import functools
import gc
import os
import signal
import sys
from pathlib import Path
from typing import Any

import botocore.client
import botocore.loaders
import botocore.session
import hypothesis
import pytest

# A shell that runs something in the background has it ignore SIGINT, and so would every program that a test starts and
# ends as Ctrl-C does.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The tests start hundreds of Python programs. Where bytecode is not kept, most of what each does is compiling, again,
# what the one before it compiled: two thirds of a start of the local cloud.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A boto3 session of its own parses the model of every service it makes a client of; tests make hundreds.
vars(botocore.session)["create_loader"] = functools.cache(botocore.loaders.create_loader)

# Most of what a client costs after that are the methods of its class: the same ones for every client of a service.
_make_methods: Any = vars(botocore.client.ClientCreator)["_create_methods"]
_methods: dict[str, dict[str, Any]] = {}


def _methods_of(creator: object, service_model: Any) -> dict[str, Any]:
    name = service_model.service_name
    if name not in _methods:
        _methods[name] = _make_methods(creator, service_model)
    return dict(_methods[name])


setattr(botocore.client.ClientCreator, "_create_methods", _methods_of)  # noqa: B010 - the stubs do not know it

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("headrace", deadline=None)
hypothesis.settings.load_profile("headrace")

# What pytest and the modules of the tests are made of stays until the end, a million objects: Python would look them
# through for garbage again and again, a fifth of what the tests compute.
gc.disable()

_ID_LENGTH = 200


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command line keeps of pipelines, with many definitions in it: one for all workers."""
    from tests.definitions import fill

    folder = tmp_path_factory.getbasetemp()
    shared = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "cache" / "pipelines"
    fill(shared)
    return shared


def pytest_collection_finish(session: pytest.Session) -> None:  # noqa: ARG001 - pytest calls hooks by these names
    """Has Python look for garbage from here on, in what the tests make."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_make_parametrize_id(config: pytest.Config, val: object) -> str | None:  # noqa: ARG001
    """Names a long value by its beginning and length: pytest handles names often, and sends all of them to workers."""
    if isinstance(val, bytes | str) and len(val) > _ID_LENGTH:
        return f"{val[:40]!r} and so on, {len(val)} long"
    return None
