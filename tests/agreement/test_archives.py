"""Whatever is unpacked is unpacked with a filter: an archive's names do not lead out of its folder."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = [
    path
    for folder in ("algorithms", "cli", "functions", "local", "pipelines", "workflows", "cicd")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "extractall(" in path.read_text("utf-8")
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_tar_file_is_unpacked_with_a_filter(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    zips = {
        name.optional_vars.id
        for block in ast.walk(tree)
        if isinstance(block, ast.With)
        for name in block.items
        if isinstance(name.optional_vars, ast.Name) and "ZipFile(" in ast.unparse(name.context_expr)
    }
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and "extractall" in ast.unparse(node.func)]
    assert calls
    for call in calls:
        # zipfile leaves out what leads out of the folder by itself; a filter may come as **options (old Pythons).
        names = {keyword.arg for keyword in call.keywords}
        receiver = ast.unparse(call.func).partition(".")[0]
        assert names & {"filter", None} or (receiver in zips and not names), ast.unparse(call)
