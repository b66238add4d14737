"""One local cloud for all walks of a worker, started as a stranger would start it: `headrace up`."""

from collections.abc import Iterator

import pytest

from tests.walk.cloud import ROOT, Cloud, running_cloud


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The project of this checkout, up and ready."""
    with running_cloud(ROOT, tmp_path_factory.mktemp("cloud")) as running:
        yield running
