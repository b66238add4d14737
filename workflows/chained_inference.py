"""`chained_inference`: an uploaded image -> a detector's boxes -> a reader's text for each crop -> results.

Which two endpoints those are stands in the algorithm's row of the catalogue (`chain`), so every chain runs on this one
machine. Crops and texts stay in S3; from state to state pass their numbers.
"""

from workflows.parts import Call, caught_by, claim, failure_path, lambda_task, success_path, when_started
from workflows.sdk import Catch, Graph, JitteredRetry, Map, Pass, Task

MACHINE_SECONDS = 28800
"""More than the crops of one image take when each is read by the last try: nobody records why a machine ran out."""

AT_ONCE = 5
"""Crops of one image: an endpoint of one instance answers them one after the other anyway."""

READ_SECONDS = 180
"""More than the function's own limit: a model's minute, asked for twice."""


def machine() -> Graph:
    """Returns the state machine."""
    failure = failure_path()
    first, decide = claim(failure, only="chain")
    detect = lambda_task(
        "Detect",
        "DetectBoxes",
        {"job.$": "$"},
        comment="Ask the detector for boxes, and cut the image into crops.",
        result_path="$.detected",
    )
    each = Map(
        "ReadCrops",
        comment="One crop that cannot be read leaves the others alone.",
        items_path="$.detected.Payload.crops",
        parameters={"job_id.$": "$.job_id", "read.$": "$.chain.read", "index.$": "$$.Map.Item.Value"},
        max_concurrency=AT_ONCE,
        iterator=_read(),
        result_path="$.crops",
    )
    collect = lambda_task(
        "CollectTexts",
        "CollectTexts",
        {"job_id.$": "$.job_id", "algorithm.$": "$.algorithm", "crops.$": "$.crops"},
        comment="Write the manifest and the job's results; fail when no crop at all could be read.",
        result_path="$.collected",
    )
    when_started(decide, detect)
    detect.next(each)
    each.next(collect)
    collect.next(success_path(failure))
    caught_by(failure, detect, each, collect)
    return Graph(
        first,
        comment="An uploaded image becomes crops, and each crop a text.",
        timeout_seconds=MACHINE_SECONDS,
    )


def _read() -> Task:
    read = lambda_task(
        "ReadCrop",
        "ReadCrop",
        {"job_id.$": "$.job_id", "read.$": "$.read", "index.$": "$.index"},
        comment="Ask the reader for the text of one crop, and store it.",
        ends=Call(READ_SECONDS),
    )
    # Whatever it was: a model that is busy or was just restarted answers a moment later.
    read.add_retry(
        JitteredRetry(
            error_equals=["States.TaskFailed"],
            interval_seconds=1,
            backoff_rate=2.0,
            max_attempts=2,
            max_delay_seconds=10,
        )
    )
    unread = Pass(
        "Unread",
        comment="The reason is stored where the text would be; only its name passes on, so that many fit a state.",
        parameters={"index.$": "$.index", "error.$": "$.failure.Error"},
    )
    read.add_catch(Catch(error_equals=["States.ALL"], next_step=unread, result_path="$.failure"))
    return read
