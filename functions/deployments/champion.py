"""The model in service, whose place a new one has to earn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.deployments import packages
from functions.waiting import endpoints

if TYPE_CHECKING:
    from functions.aws.services import Services


def model_data(endpoint: str, services: Services) -> str | None:
    """Returns the URI of the archive that the endpoint serves; None where none is in service, or it has none."""
    state = endpoints.describe(services, endpoint)
    arn = packages.served_by(services, state.config) if state else None
    package = packages.describe(services, arn) if arn else None
    if package is None or not package.containers:
        return None
    container = package.containers[0]
    source = container.get("ModelDataSource", {}).get("S3DataSource", {}).get("S3Uri")
    uri = container.get("ModelDataUrl") or source
    return str(uri) if uri else None
