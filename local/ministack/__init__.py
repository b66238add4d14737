"""MiniStack inside our process: every one of its private names that we lean on stands in this package.

tests/unit/local/ministack holds a contract test for each name, so that another version fails there and not at a
user's.
"""

from local.ministack.functions import stop_workers
from local.ministack.persistence import deliver
from local.ministack.serving import AsgiApp, close, emit, load, mount, serve, wants
from local.ministack.stacks import taken_over
from local.ministack.states import install as install_states

__all__ = [
    "AsgiApp",
    "close",
    "deliver",
    "emit",
    "install_states",
    "load",
    "mount",
    "serve",
    "stop_workers",
    "taken_over",
    "wants",
]
