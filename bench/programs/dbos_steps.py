"""DBOS with its state in SQLite: workflows of ten steps, one after another. It runs in `.venv-bench`.

`python -m bench.programs.dbos_steps FILE [tuned]`. Four threads at once, or DBOS.start_workflow, are slower than one
(the writers wait for each other). As shipped, SQLite runs with a rollback journal that is flushed at every commit;
`tuned` gives it the settings of our journal (WAL, synchronous=NORMAL).
"""

import sqlite3
import sys
import time
from contextlib import closing
from typing import Any

import sqlalchemy  # type: ignore[import-not-found]
from dbos import DBOS  # type: ignore[import-not-found]

from bench.programs import Order, serve

_STEPS = 10


@DBOS.step()  # type: ignore[untyped-decorator]
def step(value: object) -> object:
    """As a Pass state does."""
    return value


@DBOS.workflow()  # type: ignore[untyped-decorator]
def ten_steps(value: object) -> object:
    for _ in range(_STEPS):
        value = step(value)
    return value


def tuned(url: str, file: str) -> Any:
    """An engine whose commits are as durable as our journal's."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    engine = sqlalchemy.create_engine(url)

    @sqlalchemy.event.listens_for(engine, "connect")  # type: ignore[untyped-decorator]
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = "IMMEDIATE"
        connection.execute("PRAGMA busy_timeout=30000")
        connection.execute("PRAGMA synchronous=NORMAL")

    return engine


def main(file: str, how: str) -> None:
    """Answer {"count": n} with workflows per second."""
    url = f"sqlite:///{file}"
    config = {"name": "bench", "system_database_url": url, "log_level": "ERROR", "enable_otlp": False}
    if how == "tuned":
        config["system_database_engine"] = tuned(url, file)
    DBOS(config=config)
    DBOS.launch()

    def answer(order: Order) -> float:
        count = int(order["count"])
        start = time.perf_counter()
        for number in range(count):
            ten_steps({"a": number})
        return count / (time.perf_counter() - start)

    serve(answer)
    DBOS.destroy()


if __name__ == "__main__":
    main(sys.argv[1], (*sys.argv[2:], "")[0])
