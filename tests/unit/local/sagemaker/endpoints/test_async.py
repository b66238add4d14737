"""Asynchronous inference: a durable queue, results in S3, messages to SNS."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.local.sagemaker.conftest import World
from tests.unit.local.sagemaker.endpoints.serving import asked, configure, create, serving_image

SUCCESS, ERROR = "arn:aws:sns:us-east-1:000000000000:success", "arn:aws:sns:us-east-1:000000000000:error"
CONFIG = {
    "OutputConfig": {
        "S3OutputPath": "s3://out/ok",
        "S3FailurePath": "s3://out/failed/",
        "NotificationConfig": {"SuccessTopic": SUCCESS, "ErrorTopic": ERROR},
    },
    "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 2},
}


def serve(world: World) -> None:
    serving_image(world)
    configure(world, "async", "face", CONFIG)
    assert create(world, "async")["EndpointStatus"] == "InService"


def ask(world: World, body: bytes, inference: str = "job-1", **more: Any) -> dict[str, Any]:
    world.cloud.s3.put("s3://in/photo.jpg", body)
    answer: dict[str, Any] = world.runtime.invoke_endpoint_async(
        EndpointName="face", InputLocation="s3://in/photo.jpg", InferenceId=inference, **more
    )
    return answer


def message(world: World, inference: str = "job-1") -> tuple[str, dict[str, Any]]:
    world.cloud.await_message(lambda sent: sent[1]["inferenceId"] == inference)
    return next(sent for sent in world.cloud.messages if sent[1]["inferenceId"] == inference)


def test_a_result_is_stored_and_told_in_the_shape_of_aws(world: World) -> None:
    serve(world)
    answer = ask(world, b"pixels", ContentType="image/jpeg", Accept="application/x-npy")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert answer["InferenceId"] == "job-1"
    topic, told = message(world)
    assert topic == SUCCESS
    assert told.pop("eventTime") >= told.pop("receivedTime")
    assert told == {
        "awsRegion": "us-east-1",
        "invocationStatus": "Completed",
        "requestParameters": {
            "accept": "application/x-npy",
            "contentType": "image/jpeg",
            "endpointName": "face",
            "inputLocation": "s3://in/photo.jpg",
        },
        "responseParameters": {"contentType": "application/x-npy", "outputLocation": answer["OutputLocation"]},
        "inferenceId": "job-1",
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }
    assert answer["OutputLocation"].startswith("s3://out/ok/")
    assert world.cloud.s3.text(answer["OutputLocation"]) == "face:pixels"


def test_an_error_of_the_container_goes_to_the_failure_location_and_topic(world: World) -> None:
    serve(world)
    answer = ask(world, b"bad")
    topic, told = message(world)
    reason = 'ClientError: Received client error (400) from primary with message "No face found in the photo".'
    assert (topic, told["invocationStatus"], told["failureReason"]) == (ERROR, "Failed", reason)
    assert "responseParameters" not in told
    assert answer["FailureLocation"].endswith("-error.out")
    assert world.cloud.s3.text(answer["FailureLocation"]) == reason


def test_an_answer_that_breaks_off_is_a_failure(world: World) -> None:
    serve(world)
    ask(world, b"cut")
    topic, told = message(world)
    assert (topic, told["invocationStatus"]) == (ERROR, "Failed")
    assert "could not load the entire response body" in told["failureReason"]
    assert world.cloud.s3.keys("s3://out/ok/") == []


def test_a_request_that_a_stop_cuts_off_is_run_again(world: World) -> None:
    serve(world)
    answer = ask(world, b"hang")
    world.cloud.await_line("hanging")
    world.stop()
    assert world.cloud.messages == []
    assert world.cloud.s3.keys("s3://out/") == []
    world.start()
    assert message(world)[0] == SUCCESS
    assert world.cloud.s3.text(answer["OutputLocation"]) == "face:hang"


def test_an_input_that_is_gone_is_an_error_message(world: World) -> None:
    serve(world)
    world.runtime.invoke_endpoint_async(EndpointName="face", InputLocation="s3://in/none", InferenceId="job-2")
    assert "s3://in/none" in message(world, "job-2")[1]["failureReason"]


def test_a_request_that_was_acknowledged_survives_a_restart(world: World) -> None:
    serve(world)
    started = world.service._running if world.service else None
    assert started is not None
    # The workers are gone, as in a cloud that is killed between the answer and the work.
    queue = started.endpoints.queue("face")
    assert queue is not None
    queue.stop()
    answer = ask(world, b"later")
    world.stop()
    world.start()
    assert message(world)[0] == SUCCESS
    assert world.cloud.s3.text(answer["OutputLocation"]) == "face:later"


def test_the_caller_may_choose_where_the_result_goes(world: World) -> None:
    serve(world)
    answer = ask(world, b"x", S3OutputPathExtension="of/job-1", Filename="r.npy")
    assert answer["OutputLocation"] == "s3://out/ok/of/job-1/r.npy"


def test_many_requests_all_come_out(world: World) -> None:
    serve(world)
    locations = {n: ask(world, b"same", f"many-{n}")["OutputLocation"] for n in range(20)}
    for number, location in locations.items():
        assert message(world, f"many-{number}")[0] == SUCCESS
        assert world.cloud.s3.text(location) == "face:same"


def test_an_asynchronous_endpoint_is_not_invoked_directly(world: World) -> None:
    serve(world)
    with pytest.raises(ClientError, match="asynchronous"):
        asked(world, b"x")


def test_limits_of_a_request_are_checked(world: World) -> None:
    serve(world)
    with pytest.raises(ClientError, match="invocationTimeoutSeconds"):
        ask(world, b"x", InvocationTimeoutSeconds=4000)
    with pytest.raises(ClientError, match="s3://"):
        world.runtime.invoke_endpoint_async(EndpointName="face", InputLocation="https://x/y")


@pytest.mark.parametrize(
    ("before", "after", "said"), [(CONFIG, None, "cannot be removed from"), (None, CONFIG, "cannot be added to")]
)
def test_an_endpoint_stays_asynchronous_or_not(
    world: World, before: dict[str, Any] | None, after: dict[str, Any] | None, said: str
) -> None:
    serving_image(world)
    configure(world, "before", "face", before)
    configure(world, "after", "face", after)
    create(world, "before")
    with pytest.raises(ClientError, match=f"The AsyncInferenceConfig parameter {said} this endpoint face"):
        world.client.update_endpoint(EndpointName="face", EndpointConfigName="after")
    assert world.client.describe_endpoint(EndpointName="face")["EndpointStatus"] == "InService"
