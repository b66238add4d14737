import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bench.clouds import ministack
from local.clients import LocalClients

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def storage() -> Iterator[LocalClients]:
    """A real S3, in a process of its own."""
    with ministack() as cloud:
        yield LocalClients(cloud.endpoint)


@pytest.fixture
def bucket(storage: LocalClients) -> str:
    name = f"map-runs-{next(_NUMBERS)}"
    storage.client("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture
def put(storage: LocalClients, bucket: str) -> Callable[[str, str | bytes], dict[str, Any]]:
    """Puts an object; answers what GetObject takes."""

    def put_object(key: str, body: str | bytes) -> dict[str, Any]:
        storage.client("s3").put_object(Bucket=bucket, Key=key, Body=body)
        return {"Bucket": bucket, "Key": key}

    return put_object
