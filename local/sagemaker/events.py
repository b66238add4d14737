"""Events to the default EventBridge bus, in AWS's shapes, at least once and in order.

An event is written in the transaction of the change it tells of and sent afterwards by one thread, so a kill -9
between the two sends it at the next start instead of losing it.
Source: "Events that Amazon SageMaker sends to Amazon EventBridge" in the SageMaker developer guide.
"""

import contextlib
import logging
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from botocore.exceptions import BotoCoreError, ClientError

from local.sagemaker.settings import Cloud
from local.store import Store, StoreClosed

logger = logging.getLogger(__name__)

_KIND = "event"
_STOP_SECONDS = 2.0
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
        self._something = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sagemaker-events", daemon=True)
        # Names only have to sort; the store keeps the order of insertion.
        self._next = 1 + max((int(name) for name, _ in store.items(_KIND)), default=0)
        self._lock = threading.Lock()

    def start(self) -> None:
        self._something.set()
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._something.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)

    def add(self, detail_type: str, detail: Mapping[str, object], resources: Sequence[str]) -> None:
        """Call inside the store's transaction of the change."""
        with self._lock:
            number, self._next = self._next, self._next + 1
        self._store.insert(
            _KIND,
            f"{number}",
            {"detail_type": detail_type, "detail": dict(detail), "resources": list(resources)},
        )
        self._something.set()

    def _run(self) -> None:
        # A bus that takes longer than the stop waits: the event is still stored, and sent again at the next start.
        with contextlib.suppress(StoreClosed):
            while not self._stopping.is_set():
                self._something.wait()
                self._something.clear()
                while not self._stopping.is_set() and self._send_some():
                    pass

    def _send_some(self) -> bool:
        batch = self._store.items(_KIND, limit=_BATCH)
        sent = []
        for name, event in batch:
            if self._stopping.is_set() or not self._send(event):
                break
            sent.append(name)
        # Together, for it costs a commit. A kill before it sends them once more, which AWS may do as well.
        with self._store.transaction():
            for name in sent:
                self._store.delete(_KIND, name)
        return len(sent) == len(batch) > 0

    def _send(self, event: Mapping[str, object]) -> bool:
        """True when it is on the bus, or when the bus will never take it."""
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
                elif self._stopping.wait(pause):
                    return False
        return True


def iso(seconds: float) -> str:
    """2021-03-15T16:03:13Z, as pipeline and registry events carry time."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def milliseconds(seconds: float) -> float:
    """As endpoint events carry time."""
    return float(round(seconds * 1000))
