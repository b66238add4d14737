"""The state directory is its owner's alone, and so is what a store wrote before it bore a mark."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from local.cloud import LocalCloud
from local.errors import PortInUse
from local.settings import LocalSettings
from local.store import Store


def test_a_state_directory_is_closed_to_others_also_where_it_was_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o755)

    def refuse(_: LocalCloud) -> None:
        raise PortInUse("the next step")

    monkeypatch.setattr(LocalCloud, "_take_port", refuse)
    settings = LocalSettings(template=tmp_path / "template.yaml", state_dir=folder, cache_dir=tmp_path / "cache")
    with pytest.raises(PortInUse):
        LocalCloud(settings).start()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "lock").stat().st_mode & 0o777 == 0o600


def test_a_store_without_marks_is_given_them_and_keeps_its_documents(tmp_path: Path) -> None:
    path = tmp_path / "sagemaker.db"
    store = Store(path)
    store.put("model", "m", {"a": 1})
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("PRAGMA application_id=0; PRAGMA user_version=0;")
    store = Store(path)
    assert store.get("model", "m") == {"a": 1}
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA application_id").fetchone()[0] != 0
