"""`training`: an uploaded dataset, or a request, -> a SageMaker pipeline -> an endpoint in service.

Both waits are task tokens: `track_pipeline` and `track_endpoint` send them back when SageMaker's events arrive, and
`sweep_waits` does when an event was lost. The pipeline itself is compiled by pipelines/.
"""

from workflows.parts import Wait, caught_by, claim, failure_path, lambda_task, success_path, when_started
from workflows.sdk import Choice, ChoiceRule, Graph, JitteredRetry, State, Task

ENDPOINT_SECONDS = 36000
"""A shift of traffic by ten steps of up to an hour each: SageMaker itself gives up after eight."""
MACHINE_SECONDS = 90 * 86400
"""More than all waits together, of which pipelines/durations.py gives the pipeline 80 days at most.

When the machine itself runs out of time, no state is left to record why.
"""


def machine() -> Graph:
    """Returns the state machine."""
    failure = failure_path()
    first, decide = claim(failure)
    start, endpoint, success = _start_pipeline(), _await_endpoint(), success_path(failure)
    when_started(decide, start)
    start.next(_has_endpoint(endpoint, success))
    endpoint.next(success)
    caught_by(failure, start, endpoint)
    return Graph(
        first,
        comment="An uploaded dataset becomes a registered model and an endpoint that answers.",
        timeout_seconds=MACHINE_SECONDS,
    )


def _start_pipeline() -> Task:
    start = lambda_task(
        "StartPipeline",
        "StartPipeline",
        {"token.$": "$$.Task.Token", "job.$": "$"},
        comment="Park the token under the job's id, start the pipeline, and wait for its end.",
        ends=Wait("$.pipeline_seconds"),
        result_path="$.pipeline",
    )
    # By the names of functions/jobs/errors.py. A burst of uploads waits its turn instead of failing.
    for error, interval, attempts, longest in (("PipelineThrottled", 2, 10, 60), ("PipelinesAtLimit", 30, 100, 300)):
        start.add_retry(
            JitteredRetry(
                error_equals=[error],
                interval_seconds=interval,
                backoff_rate=2.0,
                max_attempts=attempts,
                max_delay_seconds=longest,
            )
        )
    return start


def _has_endpoint(endpoint: State, otherwise: State) -> Choice:
    deployed = Choice("HasEndpoint", comment="Only a pipeline that deployed has something to wait for.")
    deployed.add_choice(
        ChoiceRule.And(
            [
                ChoiceRule.IsPresent(variable="$.pipeline.endpoint", value=True),
                ChoiceRule.IsString(variable="$.pipeline.endpoint", value=True),
            ]
        ),
        endpoint,
    )
    deployed.default_choice(otherwise)
    return deployed


def _await_endpoint() -> Task:
    return lambda_task(
        "AwaitEndpoint",
        "AwaitEndpoint",
        {
            "token.$": "$$.Task.Token",
            "job_id.$": "$.job_id",
            "endpoint.$": "$.pipeline.endpoint",
            "endpoint_config.$": "$.pipeline.endpoint_config",
        },
        comment="Wait until the endpoint serves the new model.",
        ends=Wait(ENDPOINT_SECONDS),
        result_path="$.deployment",
    )
