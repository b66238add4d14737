"""`face_processing`: an uploaded photo -> the asynchronous endpoint -> result images.

The wait is a task token: `track_inference` sends it back when the endpoint's success or error topic tells.
"""

from workflows.parts import Wait, caught_by, claim, failure_path, hand_over, lambda_task, success_path, when_started
from workflows.sdk import Graph

INFERENCE_SECONDS = 3600
MACHINE_SECONDS = 3 * INFERENCE_SECONDS
"""More than the wait and the split together: when the machine itself runs out of time, nobody records why."""


def machine() -> Graph:
    """Returns the state machine."""
    failure = failure_path()
    first, decide = claim(failure)
    start = lambda_task(
        "StartInference",
        "StartInference",
        {"token.$": "$$.Task.Token", "job.$": "$"},
        comment="Park the token under the job's id, invoke the endpoint, and wait for its result in S3.",
        ends=Wait(INFERENCE_SECONDS),
        result_path="$.inference",
    )
    split = lambda_task(
        "SplitResult",
        "SplitResult",
        {
            "job_id.$": "$.job_id",
            "algorithm.$": "$.algorithm",
            "output.$": "$.inference.output",
            "labels.$": "$.labels",
        },
        comment="Cut the array into one image a label, and write them with their manifest.",
        result_path="$.split",
    )
    when_started(decide, start)
    hand_over(decide, failure)
    start.next(split)
    split.next(success_path(failure))
    caught_by(failure, start, split)
    return Graph(
        first,
        comment="An uploaded photo becomes one image a label.",
        timeout_seconds=MACHINE_SECONDS,
    )
