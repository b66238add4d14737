"""The variables that `headrace up` prints lead clients as they are to the local cloud."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.sagemaker import clients
from local.settings import LocalSettings

# Prints where two requests would go; nothing is sent.
PROGRAM = """
import botocore.session

class Stop(Exception):
    pass

def stop(request, **_):
    print(request.url)
    raise Stop

client = botocore.session.get_session().create_client("stepfunctions")
client.meta.events.register("before-send", stop)
arn = "arn:aws:states:us-east-1:000000000000:stateMachine:m"
for call in (
    lambda: client.start_sync_execution(stateMachineArn=arn),
    lambda: client.test_state(definition="{}"),
):
    try:
        call()
    except Stop:
        pass
"""


def addresses(program: str, variables: dict[str, str]) -> list[str]:
    """Where the requests go; `-S` leaves the start-up module of this environment out."""
    packages = next((Path(sys.executable).parents[1] / "lib").glob("python*/site-packages"))
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(packages), **variables}
    command = [sys.executable, "-S", "-c", program]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.split()


def test_with_what_is_printed_no_prefix_is_put_before_the_host(tmp_path: Path) -> None:
    settings = LocalSettings(tmp_path / "template.yaml", tmp_path, tmp_path, port=4710)
    assert addresses(PROGRAM, dict(settings.exports)) == ["http://127.0.0.1:4710/"] * 2


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("http://127.0.0.1:4710", "http://127.0.0.1:4710/"),
        ("http://localhost:4710", "http://localhost:4710/"),
        ("https://states.example.com", "https://sync-states.example.com/"),
    ],
)
def test_the_start_up_module_knows_this_machines_addresses(endpoint: str, expected: str) -> None:
    made_up = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    module = Path(clients.__path__[0]) / "sitecustomize.py"
    program = f"import runpy; runpy.run_path({str(module)!r})\n{PROGRAM}"
    assert addresses(program, {**made_up, "AWS_ENDPOINT_URL": endpoint}) == [expected] * 2
