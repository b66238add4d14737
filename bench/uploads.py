"""From an S3 PUT to the first state entered: the same rule and state machine on our local cloud and on MiniStack."""

import json
import time
from collections.abc import Iterator
from typing import Any

from bench import clouds
from bench.clouds import Cloud
from bench.measure import Row, ms, pairs, percentile

_ROUNDS = 60
_DEFINITION = {"StartAt": "First", "States": {"First": {"Type": "Pass", "End": True}}}
_ROLE = "arn:aws:iam::000000000000:role/bench"


class Upload:
    """A bucket whose uploads start a state machine of one Pass state."""

    def __init__(self, clients: Cloud) -> None:
        self._s3, self._states = clients.client("s3"), clients.client("stepfunctions")
        self._machine = self._states.create_state_machine(
            name="bench", definition=json.dumps(_DEFINITION), roleArn=_ROLE
        )["stateMachineArn"]
        self._s3.create_bucket(Bucket="bench-uploads")
        self._s3.put_bucket_notification_configuration(
            Bucket="bench-uploads", NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        events = clients.client("events")
        pattern = {"source": ["aws.s3"], "detail": {"bucket": {"name": ["bench-uploads"]}}}
        events.put_rule(Name="bench", EventPattern=json.dumps(pattern))
        events.put_targets(Rule="bench", Targets=[{"Id": "1", "Arn": self._machine, "RoleArn": _ROLE}])
        self._seen: set[str] = set()

    def milliseconds(self) -> float:
        """One PUT of 10 KB: from before the call to the moment the history gives for the first state."""
        start = time.time()
        self._s3.put_object(Bucket="bench-uploads", Key=f"{start}.bin", Body=bytes(10_000))
        execution = self._new_execution()
        while True:
            history: list[dict[str, Any]] = self._states.get_execution_history(executionArn=execution)["events"]
            entered = [event["timestamp"] for event in history if event["type"] == "PassStateEntered"]
            if entered:
                return (float(entered[0].timestamp()) - start) * 1000
            time.sleep(0.001)

    def _new_execution(self) -> str:
        while True:
            listed = self._states.list_executions(stateMachineArn=self._machine, maxResults=10)["executions"]
            for execution in listed:
                arn: str = execution["executionArn"]
                if arn not in self._seen:
                    self._seen.add(arn)
                    return arn
            time.sleep(0.001)


def run() -> Iterator[Row]:
    """p50 and p95 of both."""
    with clouds.headrace() as ours, clouds.ministack() as peer:
        mine, theirs = pairs(Upload(ours).milliseconds, Upload(peer).milliseconds, _ROUNDS)
    yield Row(
        "S3 PUT to first state entered, p50 (min-max)",
        ms(mine),
        ms(theirs),
        percentile(mine, 0.5) / percentile(theirs, 0.5),
        "5 ms",
    )
    yield Row(
        "S3 PUT to first state entered, p95",
        f"{percentile(mine, 0.95):.1f} ms",
        f"{percentile(theirs, 0.95):.1f} ms",
        percentile(mine, 0.95) / percentile(theirs, 0.95),
        "",
    )
