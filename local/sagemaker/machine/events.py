"""Events to the default EventBridge bus, in AWS's shapes, at least once and in order.

An event is written in the transaction of the change it tells of and sent afterwards, so a kill -9
between the two sends it at the next start instead of losing it.
Source: "Events that Amazon SageMaker sends to Amazon EventBridge" in the SageMaker developer guide.
"""

import logging
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from botocore.exceptions import BotoCoreError, ClientError

from local.shipping import BatchShipper
from local.store import Store
from local.surroundings import Cloud

logger = logging.getLogger(__name__)

_KIND = "event"
_BATCH = 32
_RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)

PIPELINE_EXECUTION = "SageMaker Model Building Pipeline Execution Status Change"
PIPELINE_STEP = "SageMaker Model Building Pipeline Execution Step Status Change"
ENDPOINT = "SageMaker Endpoint State Change"
MODEL_PACKAGE = "SageMaker Model Package State Change"
TRAINING_JOB = "SageMaker Training Job State Change"
PROCESSING_JOB = "SageMaker Processing Job State Change"
TRANSFORM_JOB = "SageMaker Transform Job State Change"
TUNING_JOB = "SageMaker HyperParameter Tuning Job State Change"


class Outbox:
    """The events not yet on the bus."""

    def __init__(self, store: Store, cloud: Cloud) -> None:
        self._store = store
        self._cloud = cloud
        self._shipper = BatchShipper("sagemaker-events", self._send_all)
        self.stop = self._shipper.stop
        # Names only have to sort; the store keeps the order of insertion.
        self._next = 1 + max((int(name) for name, _ in store.items(_KIND)), default=0)
        self._lock = threading.Lock()

    def start(self) -> None:
        """Sends what an earlier run left, and from now on what is added."""
        self._shipper.wake()
        self._shipper.start()

    def add(self, detail_type: str, detail: Mapping[str, object], resources: Sequence[str]) -> None:
        """Keeps an event to be sent; call inside the store's transaction of the change."""
        with self._lock:
            number, self._next = self._next, self._next + 1
        self._store.insert(
            _KIND,
            f"{number}",
            {"detail_type": detail_type, "detail": dict(detail), "resources": list(resources)},
        )
        self._shipper.wake()

    def _send_all(self) -> None:
        """Sends until nothing is left or the cloud stops: what is stored then is sent by the next start."""
        while not self._shipper.is_stopping and self._send_some():
            pass

    def _send_some(self) -> bool:
        batch = self._store.items(_KIND, limit=_BATCH)
        sent = []
        for name, event in batch:
            if self._shipper.is_stopping or not self._send(event):
                break
            sent.append(name)
        # Together, for it costs a commit. A kill before it sends them once more, which AWS may do as well.
        with self._store.transaction():
            for name in sent:
                self._store.delete(_KIND, name)
        return len(sent) == len(batch) > 0

    def _send(self, event: Mapping[str, object]) -> bool:
        """Returns True when it is on the bus, or when the bus will never take it."""
        for pause in (*_RETRY_SECONDS, None):
            try:
                self._cloud.emit(
                    "aws.sagemaker",
                    str(event["detail_type"]),
                    event["detail"],  # type: ignore[arg-type]
                    event["resources"],  # type: ignore[arg-type]
                )
                return True
            except (BotoCoreError, ClientError, OSError, RuntimeError) as error:
                if pause is None:
                    logger.error("event %s was not taken by EventBridge: %s", event["detail_type"], error)
                elif self._shipper.pause(pause):
                    return False
        return True


def iso(seconds: float) -> str:
    """Returns 2021-03-15T16:03:13Z, as pipeline and registry events carry time."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def milliseconds(seconds: float) -> float:
    """Returns the time as endpoint events carry it."""
    return float(round(seconds * 1000))
