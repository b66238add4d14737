"""A job finds of the machine what docs/security.md lists, and no more."""

import io
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from local.walls.probing import strongest, weakest
from tests.unit.local.sagemaker.conftest import World
from tests.unit.local.sagemaker.jobs.requests import train
from tests.unit.local.walls.listed import SOURCE, check, written

OUTPUT = "s3://out/models/job/output/output.tar.gz"
LOOK = f"""#!/usr/bin/env python3
{SOURCE}
    with open(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml") + "/output/data/census.json", "w") as file:
        json.dump(census(), file)
"""


def census(world: World) -> Any:
    world.image("app", train=LOOK)
    description = train(world)
    assert description["TrainingJobStatus"] == "Completed", description.get("FailureReason")
    with tarfile.open(fileobj=io.BytesIO(world.cloud.s3.content(OUTPUT))) as tar:
        file = tar.extractfile("census.json")
        assert file is not None
        return json.load(file)


def test_with_a_root_of_its_own_a_job_finds_what_is_listed(world: World) -> None:
    if not strongest().readonly:
        pytest.skip("the kernel does not keep a process from writing")
    seen = census(world)
    check(seen, world.root, world.cache, sys.base_prefix, Path.cwd())
    own = written(seen, "/tmp", "/var/tmp", "/dev/shm", "/opt/ml")
    assert {Path(path).name for path in own} <= {"home", "packages"}
    assert {"/dev/shm", "/opt/ml", "/tmp", "/var/tmp"} <= set(seen["written"])


def test_by_landlock_a_job_writes_where_it_is_listed(world: World) -> None:
    if not weakest("").landlock:
        pytest.skip("the kernel has no Landlock")
    world.isolation = "base-dir"
    seen = census(world)
    own = {path for path in seen["written"] if path.startswith(str(world.root))}
    assert own
    assert written(seen, *own) <= {"/tmp", "/var/tmp", "/dev/shm", "/proc"}
    assert seen["home"] == "Permission denied"
    assert seen["NoNewPrivs"] == "1"
