"""A table with very many columns is refused, by work that grows with its size and not with the square of it."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SHARED, STARTER = ROOT / "algorithms" / "_shared", ROOT / "cli" / "starters" / "source"

_CPU_SECONDS = 120
"""Of processor time: hundreds of times what is needed; the square of a million never fits."""

READ_DATASET = """
import sys
from pathlib import Path
import table
try:
    table.read({arguments})
except Exception as error:
    print(error)
"""
READ_REQUEST = """
import sys, table
names = [f"c{{number}}" for number in range({known})]
body = ",".join(f"c{{number}}" for number in range({sent})) + "\\n" + ",".join(["1"] * {sent}) + "\\n"
try:
    print(table.{function}(body, names).shape)
except Exception as error:
    print(error)
"""


def said(folder: Path, program: str, *arguments: str) -> str:
    """What a program prints that may take so much processor time, beside the modules of `folder`."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))

    finished = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder, env={"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}, preexec_fn=limit,
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return finished.stdout.strip()


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wide")
    names = ",".join(f"c{number}" for number in range(1_000_000))
    (folder / "wide.csv").write_text(f"{names},kind\n" + "1," * 1_000_000 + "x\n")
    return folder


@pytest.mark.parametrize(
    ("folder", "arguments"),
    [
        (SHARED, '[Path(sys.argv[1]) / "wide.csv"], "kind"'),
        (STARTER, 'sys.argv[1], "kind"'),
    ],
    ids=["catalogue", "starter"],
)
def test_a_dataset_of_a_million_columns_is_refused_with_the_count(folder: Path, arguments: str, wide: Path) -> None:
    answer = said(folder, READ_DATASET.format(arguments=arguments), str(wide))
    assert "wide.csv" in answer
    assert "1,000,001" in answer
    assert "16,384" in answer


@pytest.mark.parametrize(
    ("folder", "function"), [(SHARED, "read_request"), (STARTER, "request")], ids=["catalogue", "starter"]
)
def test_a_request_of_a_million_columns_is_refused_and_one_of_many_is_read(folder: Path, function: str) -> None:
    refused = said(folder, READ_REQUEST.format(function=function, known=4, sent=1_000_000))
    assert "1,000,000" in refused
    assert said(folder, READ_REQUEST.format(function=function, known=16_384, sent=16_384)) == "(1, 16384)"
