"""`headrace publish` against a running local cloud: what `headrace up` published is in line already."""

import json
import os
import subprocess

import pytest

from local.settings import REGION
from tests.walk.cloud import HEADRACE, ROOT, Cloud

pytestmark = [pytest.mark.cloud, pytest.mark.xdist_group("cloud")]


def test_what_up_published_is_in_line(cloud: Cloud) -> None:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "HEADRACE_CACHE_DIR": os.environ.get("HEADRACE_CACHE_DIR", str(ROOT / ".headrace" / "cache")),
        "AWS_ENDPOINT_URL": cloud.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
    }
    said = subprocess.run(
        [str(HEADRACE), "publish", "--json"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    told = json.loads(said.stdout)
    assert told["changes"] == []
    assert told["unchanged"] > 0
    # Its functions are no packages: they run from the folder.
    assert [note.partition(":")[0] for note in told["notes"]] == ["functions"]
