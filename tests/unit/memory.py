"""AWS in memory: moto, asked by botocore alone."""

from moto import mock_aws
from moto.core import models

# It would stand ready for the library requests, too, which nothing here uses: 1,300 patterns of addresses, each time.
models.RESPONSES_METHODS.clear()

__all__ = ["mock_aws"]
