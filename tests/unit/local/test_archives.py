"""The archive of a package of functions: deterministic, and with bytecode that a read-only folder needs."""

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from local.archives import Archive

_SAYS = """
import sys
sys.path.insert(0, sys.argv[1])
import code_of.hello as hello
print(hello.__cached__, hello.handler.__code__.co_filename, hello.handler(None, None))
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "code_of"
    (folder / "__pycache__").mkdir(parents=True)
    (folder / "__pycache__" / "old.pyc").write_bytes(b"\0")
    (folder / "hello.py").write_text("def handler(event, context): return 'hello'\n")
    (folder / "words.txt").write_text("hello")
    return folder


def unpacked(archive: Archive, folder: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(archive.body())) as content:
        content.extractall(folder)
    return folder


def test_the_same_sources_give_the_same_bytes_under_the_same_digest(package: Path) -> None:
    first, second = Archive(package), Archive(package)
    assert (first.body(), first.digest) == (second.body(), second.digest)
    (package / "words.txt").write_text("good morning")
    assert Archive(package).digest != first.digest


def test_a_module_is_not_compiled_again_and_knows_where_it_lies(package: Path, tmp_path: Path) -> None:
    folder = unpacked(Archive(package), tmp_path / "unpacked")
    module, (bytecode,) = folder / "code_of" / "hello.py", folder.glob("code_of/__pycache__/*")
    # Nothing but the bytecode can answer now.
    module.write_text("raise SystemExit('compiled again')\n")
    ran = subprocess.run([sys.executable, "-c", _SAYS, str(folder)], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == [str(bytecode), str(module), "hello"]


def test_what_is_no_python_is_in_the_archive_as_it_is(package: Path, tmp_path: Path) -> None:
    (package / "broken.py").write_text("def handler(:\n")
    folder = unpacked(Archive(package), tmp_path / "unpacked") / "code_of"
    assert (folder / "broken.py").read_text() == "def handler(:\n"
    assert not list(folder.glob("__pycache__/broken*"))
