"""One fresh cloud a test, in memory; handlers find it as their services."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from functions.aws import services
from tests.unit.functions.cloud import ENVIRONMENT, REGION, Cloud
from tests.unit.memory import mock_aws


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    for name, value in {
        **ENVIRONMENT,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "API_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        cloud = Cloud()
        monkeypatch.setattr(services, "current", lambda: cloud.services)
        yield cloud
