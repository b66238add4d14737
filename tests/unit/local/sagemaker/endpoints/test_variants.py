"""Several variants, instances, containers and models of one endpoint."""

import dataclasses
import io
import json
import tarfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.sagemaker.endpoints.fleet import LOG_GROUP
from local.sagemaker.machine.clock import Clock
from local.sagemaker.resources.endpoint_configs import CHANGE
from tests.unit.local.sagemaker.cloud import ROLE, WAIT_SECONDS, image
from tests.unit.local.sagemaker.conftest import World
from tests.unit.local.sagemaker.endpoints.serving import (
    SERVE,
    SERVER,
    asked,
    create,
    model,
    said,
    serving_image,
    settled,
    variant,
)

LABEL = "LABEL com.amazonaws.sagemaker.capabilities.multi-models=true\n"


def endpoint(world: World, *variants: dict[str, Any], config: str = "one", **more: Any) -> dict[str, Any]:
    """The endpoint `face` of these variants; each model that one names answers with its own name."""
    serving_image(world)
    for each in (*variants, *more.get("ShadowProductionVariants", ())):
        model(world, each["ModelName"], each["ModelName"])
    world.client.create_endpoint_config(EndpointConfigName=config, ProductionVariants=list(variants), **more)
    return create(world, config)


def scaled(world: World, **wanted: Any) -> dict[str, Any]:
    seen = len(world.cloud.events)
    given = [{"VariantName": "main", **wanted}]
    world.client.update_endpoint_weights_and_capacities(EndpointName="face", DesiredWeightsAndCapacities=given)
    return settled(world, since=seen)


def test_requests_are_shared_by_weight_and_the_caller_may_name_a_variant(world: World) -> None:
    found = endpoint(
        world, variant("a", "main", InitialVariantWeight=3.0), variant("b", "second", InitialVariantWeight=1.0)
    )
    assert [(v["VariantName"], v["CurrentWeight"]) for v in found["ProductionVariants"]] == [
        ("main", 3.0),
        ("second", 1.0),
    ]
    got = Counter(said(world) for _ in range(80))
    # Sixty and twenty on average.
    assert got["a:x"] > got["b:x"] > 3
    answer = asked(world, b"x", TargetVariant="second")
    assert (answer["InvokedProductionVariant"], answer["Body"].read()) == ("second", b"b:x")
    with pytest.raises(ClientError, match="Variant third not found for Request") as caught:
        asked(world, b"x", TargetVariant="third")
    assert caught.value.response["Error"]["Code"] == "ValidationError"
    scaled(world, DesiredWeight=0.0)
    assert {said(world) for _ in range(20)} == {"b:x"}


def test_each_instance_is_a_process(world: World) -> None:
    found = endpoint(world, variant("a", count=2))
    assert found["ProductionVariants"][0]["CurrentInstanceCount"] == 2
    with ThreadPoolExecutor(1) as pool:
        # The other instance takes what comes while one is busy.
        busy = pool.submit(said, world, b"slow")
        free = {said(world, b"who") for _ in range(5)}
        assert busy.result() == "a:slow"
    assert free
    assert scaled(world, DesiredInstanceCount=1)["ProductionVariants"][0]["CurrentInstanceCount"] == 1
    assert len({said(world, b"who") for _ in range(5)}) == 1
    assert scaled(world, DesiredInstanceCount=3)["ProductionVariants"][0]["DesiredInstanceCount"] == 3
    world.stop()
    world.start()
    (summary,) = world.client.describe_endpoint(EndpointName="face")["ProductionVariants"]
    assert summary["CurrentInstanceCount"] == 3
    streams = {stream for group, stream in world.cloud.logs.streams if group == f"{LOG_GROUP}/face"}
    assert len(streams) >= 3


def test_an_instance_that_is_not_healthy_leaves_the_endpoint_as_it_was(world: World) -> None:
    endpoint(world, variant("a"))
    (world.root / "images" / "app" / "bin" / "serve").write_text("#!/bin/sh\nexit 9\n")
    found = scaled(world, DesiredInstanceCount=2)
    assert (found["EndpointStatus"], found["ProductionVariants"][0]["CurrentInstanceCount"]) == ("InService", 1)
    assert "exit code 9" in found["FailureReason"]
    assert said(world) == "a:x"


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"VariantName": "other", "DesiredWeight": 1.0}, "not present within endpoint configuration"),
        ({"VariantName": "main", "DesiredInstanceCount": 0}, "only an asynchronous endpoint"),
        ({"VariantName": "main", "ServerlessUpdateConfig": {"MaxConcurrency": 3}}, "not serverless"),
    ],
)
def test_a_capacity_that_does_not_fit_is_refused(world: World, wanted: dict[str, Any], why: str) -> None:
    endpoint(world, variant("a"))
    with pytest.raises(ClientError, match=why):
        world.client.update_endpoint_weights_and_capacities(EndpointName="face", DesiredWeightsAndCapacities=[wanted])


def test_a_shadow_gets_copies_and_its_failures_are_nobodys(world: World) -> None:
    found = endpoint(world, variant("a"), ShadowProductionVariants=[variant("b", "shadow")])
    assert found["ShadowProductionVariants"][0]["VariantName"] == "shadow"
    for _ in range(3):
        assert said(world) == "a:x"
    with pytest.raises(ClientError, match="400"):
        said(world, b"bad")
    metric = {"Name": "VariantName", "Value": "shadow"}
    with world.cloud.told:
        assert world.cloud.told.wait_for(
            lambda: sum(m["StatisticValues"]["Sum"] for m in named(world, "Invocations", metric)) == 4, WAIT_SECONDS
        )
        assert sum(m["StatisticValues"]["Sum"] for m in named(world, "Invocation4XXErrors", metric)) == 1


def named(world: World, name: str, dimension: dict[str, str]) -> list[dict[str, Any]]:
    return [m for m in world.cloud.cloudwatch.metrics if m["MetricName"] == name and dimension in m["Dimensions"]]


def test_metrics_tell_of_invocations(world: World) -> None:
    endpoint(world, variant("a"))
    said(world)
    with pytest.raises(ClientError):
        said(world, b"broken")
    world.stop()
    dimension = {"Name": "EndpointName", "Value": "face"}
    sums = {
        name: sum(metric["StatisticValues"]["Sum"] for metric in named(world, name, dimension))
        for name in ("Invocations", "Invocation4XXErrors", "Invocation5XXErrors", "InvocationModelErrors")
    }
    assert sums == {
        "Invocations": 2,
        "Invocation4XXErrors": 0,
        "Invocation5XXErrors": 1,
        "InvocationModelErrors": 1,
    }
    (latency,) = named(world, "ModelLatency", dimension)
    assert (latency["Namespace"], latency["Unit"]) == ("AWS/SageMaker", "Microseconds")
    assert latency["StatisticValues"]["SampleCount"] == 2


SERVERLESS: dict[str, Any] = {"ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 1}}


def serverless(**more: Any) -> dict[str, Any]:
    config = {"ServerlessConfig": {**SERVERLESS["ServerlessConfig"], **more}}
    return {"VariantName": "main", "ModelName": "a", **config}


def test_a_serverless_variant_goes_when_it_is_idle_and_comes_when_it_is_asked(world: World) -> None:
    world.hosting = dataclasses.replace(world.hosting, serverless_idle_seconds=1.0, clock=Clock(pace=0.05))
    found = endpoint(world, serverless())
    (summary,) = found["ProductionVariants"]
    assert summary["CurrentServerlessConfig"] == SERVERLESS["ServerlessConfig"]
    seen = [said(world, b"who")]
    for _ in range(2):
        started = world.service._running if world.service else None
        hosted = started.endpoints.live("face", 1) if started else None
        assert hosted is not None
        assert hosted.fleet is not None
        # Its log says when the process was ended.
        for instance in hosted.fleet.variants[0].instances:
            (server,) = instance._servers.values()
            assert server._process is not None
            assert server._process.exited.wait(WAIT_SECONDS)
        seen.append(said(world, b"who"))
    assert len(set(seen)) == 3


def test_more_than_the_concurrency_of_a_serverless_variant_is_throttled(world: World) -> None:
    endpoint(world, serverless(ProvisionedConcurrency=1))
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(said, world, b"hang")
        world.cloud.await_line("hanging")
        with pytest.raises(ClientError) as caught:
            said(world)
        assert caught.value.response["Error"]["Code"] == "ThrottlingException"
        world.stop()
        with pytest.raises(ClientError):
            held.result()


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"ExplainerConfig": {"ClarifyExplainerConfig": {}}}, "validation error|ExplainerConfig"),
        ({"ProductionVariants": [{"VariantName": "main"}]}, "inference components"),
        ({"ProductionVariants": [variant("a"), variant("a")]}, "a name of its own"),
        ({"ProductionVariants": [{"VariantName": "main", "ModelName": "a"}]}, "needs an InstanceType"),
        ({"ProductionVariants": [variant("a", **SERVERLESS)]}, "not for it|not\nfor it"),
        (
            {"ProductionVariants": [variant("a", ManagedInstanceScaling={"Status": "ENABLED"})]},
            "ManagedInstanceScaling is only supported for inference component endpoints",
        ),
        (
            {
                "ProductionVariants": [variant("a"), variant("a", "b")],
                "ShadowProductionVariants": [variant("a", "c")],
            },
            "one variant for ProductionVariants",
        ),
        ({"ProductionVariants": [variant("none")]}, 'Could not find model ".*model/none"'),
    ],
)
def test_a_configuration_that_cannot_be_honoured_is_refused(world: World, given: dict[str, Any], why: str) -> None:
    serving_image(world)
    model(world, "a")
    request = {"EndpointConfigName": "one", "ProductionVariants": [variant("a")], **given}
    with pytest.raises(ClientError, match=why) as caught:
        world.client.create_endpoint_config(**request)
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_configurations_are_told_of(world: World) -> None:
    serving_image(world)
    model(world, "a")
    world.client.create_endpoint_config(
        EndpointConfigName="one", ProductionVariants=[variant("a")], Tags=[{"Key": "team", "Value": "faces"}]
    )
    event = world.cloud.await_event(lambda event: event.detail_type == CHANGE)
    assert (event.detail["EndpointConfigName"], event.detail["Tags"]) == ("one", {"team": "faces"})
    assert event.resources == [event.detail["EndpointConfigArn"]]


def pipeline(world: World, mode: str, *names: str) -> None:
    serving_image(world)
    containers = [{"ContainerHostname": name, "Image": image("app"), "Environment": {"NAME": name}} for name in names]
    world.client.create_model(
        ModelName="row",
        Containers=containers,
        InferenceExecutionConfig={"Mode": mode},
        ExecutionRoleArn=ROLE,
    )
    world.client.create_endpoint_config(EndpointConfigName="row", ProductionVariants=[variant("row")])
    found = create(world, "row")
    assert found["EndpointStatus"] == "InService", found["FailureReason"]
    assert len(found["ProductionVariants"][0]["DeployedImages"]) == len(names)


def test_containers_in_series_each_get_what_the_one_before_answered(world: World) -> None:
    pipeline(world, "Serial", "first", "second")
    answer = asked(world, b"x", Accept="text/plain")
    assert (answer["Body"].read(), answer["ContentType"]) == (b"second:first:x", "text/plain")
    with pytest.raises(ClientError, match=r'client error \(400\) from first with message "No face'):
        said(world, b"bad")
    with pytest.raises(ClientError, match="does not support target container hostname header"):
        said(world, TargetContainerHostname="first")
    world.stop()
    streams = {stream for group, stream in world.cloud.logs.streams if group == f"{LOG_GROUP}/face"}
    assert {stream.rpartition("/")[2] for stream in streams} == {"first", "second"}


def test_the_caller_names_a_container_of_a_direct_model(world: World) -> None:
    pipeline(world, "Direct", "first", "second")
    assert said(world, TargetContainerHostname="second") == "second:x"
    with pytest.raises(ClientError, match="first, second; the target container hostname header says none"):
        said(world)


def archive(name: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        entry = tarfile.TarInfo("name")
        entry.size = len(name)
        tar.addfile(entry, io.BytesIO(name.encode()))
    return packed.getvalue()


def many(world: World, **environment: str) -> None:
    serving_image(world)
    (world.root / "images" / "app" / "Dockerfile").write_text(f"FROM scratch\n{LABEL}")
    container = {
        "Image": image("app"),
        "Mode": "MultiModel",
        "ModelDataUrl": "s3://in/models/",
        "Environment": environment,
    }
    world.client.create_model(ModelName="many", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    world.client.create_endpoint_config(EndpointConfigName="many", ProductionVariants=[variant("many")])
    for name in ("a", "b"):
        world.cloud.s3.put(f"s3://in/models/{name}.tar.gz", archive(name))
    create(world, "many")


@pytest.mark.parametrize("isolation", ["auto", "base-dir"])
def test_a_target_model_is_loaded_when_it_is_asked_for(world: World, isolation: str) -> None:
    world.isolation = isolation
    many(world)
    for name in ("a", "b", "a"):
        assert said(world, TargetModel=f"{name}.tar.gz") == f"{name}:x"
    with pytest.raises(
        ClientError, match=r"Failed to download model data\(bucket: in, key: models/c.tar.gz\)"
    ) as caught:
        said(world, TargetModel="c.tar.gz")
    assert caught.value.response["Error"]["Code"] == "ValidationError"
    with pytest.raises(ClientError, match="is missing a target model header"):
        said(world)
    world.stop()
    lines = world.cloud.logs.lines(f"{LOG_GROUP}/face", "main/")
    assert [line for line in lines if line.startswith("load")] == ["load a", "load b"]


def test_a_model_makes_room_for_another(world: World) -> None:
    many(world, ROOM="1")
    for name in ("a", "b", "a"):
        assert said(world, TargetModel=f"{name}.tar.gz") == f"{name}:x"
    world.stop()
    lines = world.cloud.logs.lines(f"{LOG_GROUP}/face", "main/")
    loads = [line for line in lines if "load" in line]
    assert loads == ["load a", "unload a", "load b", "unload b", "load a"]


def test_a_container_without_the_label_is_not_for_many_models(world: World) -> None:
    world.image("app", serve=SERVE, **{"serve.py": SERVER})
    container = {"Image": image("app"), "Mode": "MultiModel", "ModelDataUrl": "s3://in/models/"}
    with pytest.raises(
        ClientError, match=r"does not contain required com\.amazonaws\.sagemaker\.capabilities\.multi-models"
    ):
        world.client.create_model(ModelName="many", PrimaryContainer=container, ExecutionRoleArn=ROLE)


def test_a_target_model_of_one_model_is_refused(world: World) -> None:
    endpoint(world, variant("a"))
    with pytest.raises(ClientError, match="is not a multi-model endpoint and does not support target model header"):
        said(world, TargetModel="a.tar.gz")


def test_what_is_captured_is_json_lines_in_s3(world: World) -> None:
    capture = {
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": "s3://out/captured",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
    }
    found = endpoint(world, variant("a"), DataCaptureConfig=capture)
    assert found["DataCaptureConfig"]["CaptureStatus"] == "Started"
    assert found["DataCaptureConfig"]["CurrentSamplingPercentage"] == 100
    said(world, b"1,2", ContentType="text/csv", InferenceId="job-1")
    said(world, b"\0", ContentType="image/png", Accept="image/png")
    world.stop()
    keys = world.cloud.s3.keys("s3://out/captured/face/main/")
    lines = [json.loads(line) for key in keys for line in world.cloud.s3.text(key).splitlines()]
    assert all(key.endswith(".jsonl") for key in keys)
    first, second = lines
    assert first["captureData"] == {
        "endpointInput": {"observedContentType": "text/csv", "mode": "INPUT", "data": "1,2", "encoding": "CSV"},
        "endpointOutput": {"observedContentType": "text/csv", "mode": "OUTPUT", "data": "a:1,2", "encoding": "CSV"},
    }
    assert first["eventVersion"] == "0"
    assert first["eventMetadata"]["inferenceId"] == "job-1"
    assert second["captureData"]["endpointInput"]["encoding"] == "BASE64"


def test_a_session_stays_with_the_instance_that_opened_it(world: World) -> None:
    endpoint(world, variant("a", count=2))
    opened = asked(world, b"session", SessionId="NEW_SESSION")
    assert opened["NewSessionId"].startswith("s1; Expires=")
    who = opened["Body"].read().decode()
    assert {said(world, b"session", SessionId="s1") for _ in range(8)} == {who}
