"""What a start imports: each library more is time that everybody waits for, at every start."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

COMMANDS = {
    "annotated_doc", "annotated_types", "botocore", "cli", "click", "local", "pipelines", "pydantic", "pydantic_core",
    "rich", "shellingham", "typer", "typing_extensions", "typing_inspection", "urllib3", "yaml",
}  # fmt: skip
CLOUD = COMMANDS | {
    "anycrc", "boto3", "certifi", "dateutil", "httptools", "idna", "jmespath", "jsonata", "orjson", "regex",
    "s3transfer", "six", "uvicorn", "uvloop", "xxhash",
}  # fmt: skip
MINISTACK = CLOUD | {
    "charset_normalizer", "cryptography", "defusedxml", "docker", "h11", "h2", "hpack", "hypercorn", "hyperframe",
    "ministack", "priority", "requests", "wsproto",
}  # fmt: skip

_IMPORTS = """
import sys
for step in sys.argv[1:]:
    exec(step)
    print(*{name.split(".")[0] for name in sys.modules} - sys.stdlib_module_names)
"""
STEPS = {
    "import cli.main": COMMANDS,
    "import cli.deployment.local, local.ministack.serving": CLOUD,
    # With everything that a start needs where nothing has changed: neither the SAM translator nor an SDK.
    "import ministack.app, ministack.services.cloudformation": MINISTACK,
}


@pytest.fixture(scope="module")
def imported() -> dict[str, set[str]]:
    """The libraries that have been imported after each step of `headrace up`."""
    command = [sys.executable, "-c", _IMPORTS, *STEPS]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return {step: set(line.split()) for step, line in zip(STEPS, said, strict=True)}


@pytest.mark.parametrize(("step", "libraries"), STEPS.items(), ids=["commands", "cloud", "ministack"])
def test_a_start_imports_no_library_that_is_not_listed(
    step: str, libraries: set[str], imported: dict[str, set[str]]
) -> None:
    named = {name for name in imported[step] if not name.startswith("_") and name != "cython_runtime"}
    assert named <= libraries, f"{step}: import them where they are used, or list them: {sorted(named - libraries)}"
