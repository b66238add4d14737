"""MiniStack inside our process: every one of its private names that we lean on stands in this package.

tests/unit/local/ministack holds a contract test for each name, so that another version fails there and not at a
user's.
"""

from local.ministack.executions import resume as resume_executions
from local.ministack.functions import stop_workers
from local.ministack.persistence import save
from local.ministack.serving import AsgiApp, Handler, close, emit, load, mount, serve

__all__ = ["AsgiApp", "Handler", "close", "emit", "load", "mount", "resume_executions", "save", "serve", "stop_workers"]
