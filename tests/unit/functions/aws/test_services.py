"""The services of a Lambda: from the environment, at first use, and cheap to import."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from functions.aws import services
from functions.aws.services import Settings

HANDLERS = (
    "claim_upload",
    "start_pipeline",
    "track_pipeline",
    "deploy_endpoint",
    "await_endpoint",
    "track_endpoint",
    "start_inference",
    "track_inference",
    "split_result",
    "detect_boxes",
    "read_crop",
    "collect_texts",
    "record_failure",
    "plan_retraining",
    "sweep_waits",
    "api",
)


COMMON = {
    "aws_lambda_powertools", "botocore", "certifi", "dateutil", "functions", "jmespath", "six",
    "typing_extensions", "urllib3",
}  # fmt: skip
"""What a cold start of any function imports; boto3 is not among them."""
MODELS = {"annotated_types", "pydantic", "pydantic_core", "typing_inspection"}

# Each function in a process of its own, which begins with what all of them import.
IMPORTS = """
import importlib, os, sys, traceback
import aws_lambda_powertools.logging, botocore.session
for name in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        try:
            assert callable(importlib.import_module("functions." + name).handler)
            libraries = {module.split(".")[0] for module in sys.modules} - sys.stdlib_module_names
            print(name, *(library for library in libraries if not library.startswith("_")), flush=True)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    if os.waitpid(child, 0)[1]:
        sys.exit(name)
"""


def test_a_missing_variable_is_named_when_it_is_asked_for() -> None:
    settings = Settings({"JOBS_TABLE": "jobs"})
    assert settings.jobs_table == "jobs"
    with pytest.raises(RuntimeError, match="WAITS_TABLE"):
        _ = settings.waits_table


def test_presigned_urls_are_signed_with_version_4_and_no_checksum(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    url = services.make_client("s3").generate_presigned_url("put_object", Params={"Bucket": "b", "Key": "k +ñ"})
    parts = urlsplit(url)
    assert (parts.netloc, parts.path) == ("127.0.0.1:4566", "/b/k%20%2B%C3%B1")
    query = parse_qs(parts.query)
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert not [name for name in query if "checksum" in name.lower()]
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    services._session.cache_clear()
    assert services.make_client("dynamodb").meta.region_name == "us-east-1"


@pytest.fixture(scope="module")
def imported() -> Mapping[str, set[str]]:
    """The libraries that each function imports."""
    answer = subprocess.run(
        [sys.executable, "-c", IMPORTS, *HANDLERS],
        env={"PYTHONPATH": str(Path(__file__).parents[4])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    return {name: set(libraries) for name, *libraries in map(str.split, answer.stdout.splitlines())}


@pytest.mark.parametrize("module", HANDLERS)
def test_a_function_imports_without_an_environment_and_only_what_it_needs(
    module: str, imported: Mapping[str, set[str]]
) -> None:
    decoding = {"PIL", "pi_heif"}
    needs = {"split_result": {"PIL"}, "detect_boxes": decoding, "start_inference": decoding, "api": MODELS}
    needed = needs.get(module, set())
    assert imported[module] - COMMON == needed


def test_the_packages_of_the_functions_have_the_versions_of_the_project() -> None:
    root = Path(__file__).parents[4]
    pinned = re.compile(r"^([a-z0-9-]+)(?:\[[^]]*])?==([^\s;\\]+)", re.MULTILINE)
    project = set(pinned.findall((root / "requirements" / "main.txt").read_text()))
    for file in (root / "functions" / "requirements").glob("*.txt"):
        assert set(pinned.findall(file.read_text())) <= project, file.name
