"""What CloudWatch is told of an endpoint's invocations: counted here, put in batches.

Source: "Metrics for monitoring Amazon SageMaker with Amazon CloudWatch" in the SageMaker developer guide.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.shipping import BatchShipper
from local.store import now
from local.surroundings import Cloud

logger = logging.getLogger(__name__)

NAMESPACE = "AWS/SageMaker"
_BATCH_SECONDS = 2.0
_BATCH_METRICS = 500
_MICROSECONDS = "Microseconds"

_Key = tuple[str, tuple[tuple[str, str], ...], str]
"""Name, dimensions, unit."""


class Meter:
    """Everything that is counted and not yet put. Thread-safe."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._lock = threading.Lock()
        self._counted: dict[_Key, list[float]] = {}
        """Of each: how many, their sum, the least and the most."""
        self._shipper = BatchShipper("sagemaker-metrics", self._put_all, _BATCH_SECONDS)
        self.start, self.stop = self._shipper.start, self._shipper.stop

    def add(self, dimensions: tuple[tuple[str, str], ...], values: dict[str, float], unit: str = "None") -> None:
        with self._lock:
            for name, value in values.items():
                seen = self._counted.get((name, dimensions, unit))
                if seen is None:
                    self._counted[name, dimensions, unit] = [1, value, value, value]
                else:
                    seen[0] += 1
                    seen[1] += value
                    seen[2] = min(seen[2], value)
                    seen[3] = max(seen[3], value)
        self._shipper.wake()

    def _put_all(self) -> None:
        with self._lock:
            counted, self._counted = self._counted, {}
        data = [_datum(key, seen) for key, seen in counted.items()]
        for start in range(0, len(data), _BATCH_METRICS):
            self._put(data[start : start + _BATCH_METRICS])

    def _put(self, data: list[dict[str, Any]]) -> None:
        try:
            self._cloud.client("cloudwatch").put_metric_data(Namespace=NAMESPACE, MetricData=data)
        except (ClientError, BotoCoreError, RuntimeError) as error:
            logger.warning("%d metrics were not taken by CloudWatch: %s", len(data), error)


class Metrics:
    """The metrics of one endpoint."""

    def __init__(self, meter: Meter, endpoint: str) -> None:
        self._meter = meter
        self._endpoint = (("EndpointName", endpoint),)

    def endpoint(self, values: dict[str, float], unit: str = "None") -> None:
        self._meter.add(self._endpoint, values, unit)

    @contextmanager
    def timed(self, variant: str, instances: int, *, counted: bool = True) -> Iterator["Timed"]:
        """Times one invocation of a variant; its caller says the status. `counted`: as an invocation too."""
        timed, begun = Timed(), time.perf_counter()
        try:
            yield timed
        finally:
            timed.microseconds = (time.perf_counter() - begun) * 1e6
            self.invoked(variant, instances, timed.status, timed.microseconds, counted=counted)

    def invoked(self, variant: str, instances: int, status: int, microseconds: float, *, counted: bool = True) -> None:
        dimensions = (*self._endpoint, ("VariantName", variant))
        values = {
            "Invocation4XXErrors": float(400 <= status < 500),
            "Invocation5XXErrors": float(not 200 <= status < 500),
        }
        if counted:
            values |= {
                "Invocations": 1.0,
                "InvocationsPerInstance": 1.0 / max(1, instances),
                "InvocationModelErrors": float(not 200 <= status < 300),
            }
        self._meter.add(dimensions, values)
        self._meter.add(dimensions, {"ModelLatency": microseconds}, _MICROSECONDS)

    def overhead(self, variant: str, microseconds: float) -> None:
        dimensions = (*self._endpoint, ("VariantName", variant))
        self._meter.add(dimensions, {"OverheadLatency": max(0.0, microseconds)}, _MICROSECONDS)


class Timed:
    """What one invocation came to; no status is an error of the server."""

    status = 0
    microseconds = 0.0


def _datum(key: _Key, seen: list[float]) -> dict[str, Any]:
    name, dimensions, unit = key
    count, total, least, most = seen
    return {
        "MetricName": name,
        "Dimensions": [{"Name": dimension, "Value": value} for dimension, value in dimensions],
        "Timestamp": now(),
        "Unit": unit,
        "StatisticValues": {"SampleCount": count, "Sum": total, "Minimum": least, "Maximum": most},
    }
