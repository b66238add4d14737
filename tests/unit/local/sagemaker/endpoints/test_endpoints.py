"""Endpoints are serve processes behind health checks."""

import io
import tarfile
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from local.sagemaker.endpoints.fleet import LOG_GROUP
from tests.unit.local.sagemaker.cloud import ROLE, image
from tests.unit.local.sagemaker.conftest import World
from tests.unit.local.sagemaker.endpoints.serving import (
    asked,
    configure,
    create,
    deleted,
    kill_for_good,
    serving_image,
    settled,
)


@pytest.mark.parametrize("isolation", ["auto", "base-dir"])
def test_an_endpoint_answers_with_the_containers_headers(world: World, isolation: str) -> None:
    world.isolation = isolation
    serving_image(world)
    configure(world, "one", "one")
    endpoint = create(world, "one")
    assert endpoint["EndpointStatus"] == "InService", endpoint
    assert endpoint["ProductionVariants"][0]["DesiredInstanceCount"] == 1
    answer = asked(world, b"1,2", ContentType="text/csv", Accept="text/plain", CustomAttributes="trace")
    assert answer["Body"].read() == b"one:1,2"
    assert answer["ContentType"] == "text/plain"
    assert answer["InvokedProductionVariant"] == "main"
    assert answer["CustomAttributes"] == "trace"


def test_an_update_replaces_what_serves(world: World) -> None:
    serving_image(world)
    configure(world, "one", "one")
    configure(world, "two", "two")
    create(world, "one")
    seen = len(world.cloud.events)
    world.client.update_endpoint(EndpointName="face", EndpointConfigName="two")
    with pytest.raises(ClientError, match="in-progress"):
        world.client.update_endpoint(EndpointName="face", EndpointConfigName="one")
    assert settled(world, since=seen)["EndpointConfigName"] == "two"
    assert asked(world, b"x")["Body"].read() == b"two:x"


def test_an_update_that_fails_keeps_the_old_one_serving(world: World) -> None:
    serving_image(world)
    configure(world, "one", "one")
    create(world, "one")
    seen = len(world.cloud.events)
    world.client.create_model(
        ModelName="bad",
        PrimaryContainer={"Image": image("app"), "ModelDataUrl": "s3://in/none.tar.gz"},
        ExecutionRoleArn=ROLE,
    )
    variant = {"VariantName": "main", "ModelName": "bad", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    world.client.create_endpoint_config(EndpointConfigName="bad", ProductionVariants=[variant])
    world.client.update_endpoint(EndpointName="face", EndpointConfigName="bad")
    endpoint = settled(world, since=seen)
    assert (endpoint["EndpointStatus"], endpoint["EndpointConfigName"]) == ("InService", "one")
    assert "Could not find model data at s3://in/none.tar.gz" in endpoint["FailureReason"]
    assert asked(world, b"x")["Body"].read() == b"one:x"


def test_a_container_that_dies_at_the_start_fails_the_endpoint_with_its_last_words(world: World) -> None:
    serving_image(world, serve="#!/bin/sh\necho 'no model file' >&2\nexit 4\n")
    configure(world, "one")
    endpoint = create(world, "one")
    assert endpoint["EndpointStatus"] == "Failed"
    assert "exit code 4" in endpoint["FailureReason"]
    assert "no model file" in endpoint["FailureReason"]
    with pytest.raises(ClientError, match="not in service"):
        asked(world, b"x")
    world.client.delete_endpoint(EndpointName="face")


def test_a_ping_that_never_turns_healthy_ends_in_time(world: World) -> None:
    world.startup_seconds = 1.0
    serving_image(world, serve="#!/bin/sh\nexec sleep 600\n")
    configure(world, "one")
    endpoint = create(world, "one")
    assert endpoint["EndpointStatus"] == "Failed"
    assert endpoint["FailureReason"].startswith(
        "The primary container for production variant main did not pass the ping health check. Please check CloudWatch "
        "logs for this endpoint. [not within 1 s"
    )


def test_an_error_of_the_container_is_a_model_error(world: World) -> None:
    serving_image(world)
    configure(world, "one")
    create(world, "one")
    for body, status, message in ((b"bad", 400, "No face found in the photo"), (b"broken", 500, "internal")):
        with pytest.raises(ClientError) as caught:
            asked(world, body)
        response = caught.value.response
        assert response["Error"]["Code"] == "ModelError"
        assert response["OriginalStatusCode"] == status  # type: ignore[typeddict-item]
        assert response["OriginalMessage"] == message  # type: ignore[typeddict-item]
        assert response["ResponseMetadata"]["HTTPStatusCode"] == 424


def test_a_serve_process_that_dies_is_started_again(world: World) -> None:
    serving_image(world)
    configure(world, "one", "one")
    create(world, "one")
    with pytest.raises(ClientError, match="ModelError"):
        asked(world, b"die")
    assert asked(world, b"again")["Body"].read() == b"one:again"


def test_a_serve_process_that_keeps_dying_fails_the_endpoint(world: World) -> None:
    serving_image(world)
    configure(world, "one", "one")
    create(world, "one")
    seen = len(world.cloud.events)
    kill_for_good(world)
    endpoint = settled(world, since=seen)
    assert endpoint["EndpointStatus"] == "Failed"
    assert "exit code 7" in endpoint["FailureReason"]


def test_an_answer_that_breaks_off_is_a_model_error(world: World) -> None:
    serving_image(world)
    configure(world, "one")
    create(world, "one")
    with pytest.raises(ClientError, match="could not load the entire response body") as caught:
        asked(world, b"cut")
    assert caught.value.response["Error"]["Code"] == "ModelError"


def test_a_container_is_told_to_listen_to_this_machine_only(world: World) -> None:
    serving_image(world)
    configure(world, "one")
    create(world, "one")
    world.stop()
    lines = world.cloud.logs.lines(f"{LOG_GROUP}/face", "main/")
    assert [line.split()[1] for line in lines if line.startswith("listening")] == ["127.0.0.1"]


def test_a_variable_that_no_process_can_have_fails_the_endpoint_in_one_line(world: World) -> None:
    serving_image(world)
    configure(world, "one", "nul \0 inside")
    endpoint = create(world, "one")
    assert endpoint["EndpointStatus"] == "Failed"
    assert endpoint["FailureReason"].startswith("the environment variable 'NAME' cannot be given to a process")


def test_an_endpoint_that_is_gone_says_so_and_its_name_is_free(world: World) -> None:
    serving_image(world)
    configure(world, "one", "one")
    create(world, "one")
    world.client.delete_endpoint(EndpointName="face")
    assert deleted(world) == ["CREATING", "IN_SERVICE", "DELETING", "DELETED"]
    seen = len(world.cloud.events)
    world.client.create_endpoint(EndpointName="face", EndpointConfigName="one")
    assert settled(world, since=seen)["EndpointStatus"] == "InService"


def test_a_deletion_that_was_interrupted_ends_after_the_restart(world: World) -> None:
    serving_image(world)
    configure(world, "one", "one")
    create(world, "one")
    with ThreadPoolExecutor(1) as pool:
        # Its request in flight keeps the endpoint in its deletion until the stop.
        held = pool.submit(asked, world, b"hang")
        world.cloud.await_line("hanging")
        world.client.delete_endpoint(EndpointName="face")
        world.stop()
        with pytest.raises(ClientError, match="ModelError"):
            held.result()
    world.start()
    assert deleted(world)[-2:] == ["DELETING", "DELETED"]


def test_an_endpoint_that_is_not_there(world: World) -> None:
    with pytest.raises(ClientError) as caught:
        asked(world, b"x", endpoint="none")
    error = caught.value.response["Error"]
    assert (error["Code"], error["Message"]) == ("ValidationError", "Endpoint none of account 000000000000 not found.")


def test_what_was_in_service_comes_back_after_a_restart(world: World) -> None:
    serving_image(world)
    configure(world, "one", "one")
    create(world, "one")
    world.stop()
    world.start()
    assert asked(world, b"x")["Body"].read() == b"one:x"


def test_a_model_archive_that_would_write_outside_is_refused(world: World) -> None:
    serving_image(world)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        entry = tarfile.TarInfo("../../evil")
        entry.size = 1
        tar.addfile(entry, io.BytesIO(b"x"))
    world.cloud.s3.put("s3://in/model.tar.gz", packed.getvalue())
    client = world.client
    container = {"Image": image("app"), "ModelDataUrl": "s3://in/model.tar.gz"}
    client.create_model(ModelName="evil", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    variant = {"VariantName": "main", "ModelName": "evil", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    client.create_endpoint_config(EndpointConfigName="evil", ProductionVariants=[variant])
    endpoint = create(world, "evil")
    assert endpoint["EndpointStatus"] == "Failed"
    assert "Failed to extract model data archive" in endpoint["FailureReason"]


def test_the_logs_of_an_endpoint_are_in_its_group(world: World) -> None:
    serving_image(world, serve='#!/bin/sh\necho starting\nexec python "$(dirname "$0")/serve.py"\n')
    configure(world, "one")
    create(world, "one")
    world.stop()
    assert "starting" in world.cloud.logs.lines(f"{LOG_GROUP}/face", "main/")
