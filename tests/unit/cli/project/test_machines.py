"""State machines are written when workflows/ or their files change, and cost no SDK when neither did."""

from pathlib import Path

import pytest

from cli.project.checkout import Project
from cli.project.machines import write_machines
from workflows import render


def test_machines_are_rendered_when_something_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADRACE_CACHE_DIR", raising=False)
    project, rendered = Project(tmp_path), []

    def write(folder: Path) -> tuple[Path, ...]:
        rendered.append(folder)
        folder.mkdir(exist_ok=True)
        (folder / "training.asl.json").write_text("{}\n")
        return (folder / "training.asl.json",)

    monkeypatch.setattr(render, "write", write)
    assert write_machines(project) == (tmp_path / "state_machines" / "training.asl.json",)
    assert write_machines(project) == ()
    assert len(rendered) == 1
    (tmp_path / "state_machines" / "training.asl.json").write_text("changed by hand\n")
    assert len(write_machines(project)) == 1
    (tmp_path / "state_machines" / "training.asl.json").unlink()
    assert len(write_machines(project)) == 1
