"""Batch transform: objects go through a real serving process and come back in order, or the job says why not."""

import gzip
import json
import struct
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.sagemaker.jobs.transform.kind import LOG_GROUP
from tests.unit.local.sagemaker.cloud import ROLE, image
from tests.unit.local.sagemaker.conftest import World
from tests.unit.local.sagemaker.jobs.requests import await_transform, start_transform, transform, transform_input

SERVE = '#!/bin/sh\nexec python -u "$(dirname "$0")/serve.py"\n'
SERVER = """
import http.server, json, os, threading
lock = threading.Lock()
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        if self.path == "/ping" or "PARAMETERS" not in os.environ:
            return self.answer(200 if self.path == "/ping" else 404, b"")
        self.answer(200, os.environ["PARAMETERS"].encode())
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with lock:
            print("asked", len(body), self.headers.get("Content-Type"), self.headers.get("Accept"), flush=True)
        if b"die" in body:
            os._exit(9)
        if b"hang" in body:
            threading.Event().wait(600)
        if b"bad" in body:
            return self.answer(400, b"the row is not a number: bad")
        if b"broken" in body:
            return self.answer(500, b"internal trouble")
        if "recordio" in self.headers.get("Content-Type"):
            return self.answer(200, str(len(body)).encode())
        if self.headers.get("Content-Type") == "application/json":
            return self.answer(200, json.dumps({"sum": sum(json.loads(body)["x"])}).encode())
        rows = body.decode().strip().splitlines()
        self.answer(200, "\\n".join(str(sum(float(c) for c in row.split(","))) for row in rows).encode())
    def log_message(self, *a):
        pass
address = "127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])
server = http.server.ThreadingHTTPServer(address, H)
server.serve_forever()
"""


@pytest.fixture
def model(world: World) -> World:
    """A model whose answer to a row is the row's sum."""
    world.image("app", serve=SERVE, **{"serve.py": SERVER})
    world.client.create_model(ModelName="m", PrimaryContainer={"Image": image("app")}, ExecutionRoleArn=ROLE)
    return world


def csv(**more: Any) -> dict[str, Any]:
    return transform_input("s3://in/data/", ContentType="text/csv", SplitType="Line", **more)


def asked(world: World) -> list[str]:
    return [line for line in world.cloud.logs.lines(LOG_GROUP) if line.startswith("asked")]


def test_every_object_of_the_prefix_comes_back_under_its_name(model: World) -> None:
    model.cloud.s3.put("s3://in/data/a.csv", "1,2\n3,4\n")
    model.cloud.s3.put("s3://in/data/deep/b.csv", "5\n")
    job = transform(model, TransformInput=csv(), TransformOutput={"S3OutputPath": "s3://out/t", "AssembleWith": "Line"})
    assert job["TransformJobStatus"] == "Completed", job
    assert model.cloud.s3.keys("s3://out/") == ["s3://out/t/a.csv.out", "s3://out/t/deep/b.csv.out"]
    assert model.cloud.s3.text("s3://out/t/a.csv.out") == "3.0\n7.0\n"
    assert job["TransformStartTime"] <= job["TransformEndTime"]
    # MultiRecord is the default: one request for both rows.
    assert sorted(asked(model)) == ["asked 2 text/csv None", "asked 8 text/csv None"]
    listed = model.client.list_transform_jobs(StatusEquals="Completed")["TransformJobSummaries"]
    assert [one["TransformJobName"] for one in listed] == ["job"]


def test_single_records_in_flight_together_are_assembled_in_order(model: World) -> None:
    model.cloud.s3.put("s3://in/data/a.csv", "".join(f"{n}\n" for n in range(50)))
    output = {"S3OutputPath": "s3://out/t", "AssembleWith": "Line", "Accept": "text/csv"}
    given: dict[str, Any] = {"BatchStrategy": "SingleRecord", "MaxConcurrentTransforms": 8, "MaxPayloadInMB": 1}
    transform(model, TransformInput=csv(), TransformOutput=output, **given)
    assert model.cloud.s3.text("s3://out/t/a.csv.out") == "".join(f"{n}.0\n" for n in range(50))
    assert len(asked(model)) == 50
    assert asked(model)[0].endswith("text/csv text/csv")


def test_several_instances_share_the_objects(model: World) -> None:
    for name in "abc":
        model.cloud.s3.put(f"s3://in/data/{name}.csv", "1\n")
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": 2}
    transform(model, TransformInput=csv(), TransformResources=resources)
    assert len(model.cloud.s3.keys("s3://out/t/")) == 3
    assert len(model.cloud.logs.lines(LOG_GROUP, "job/algo-2")) == 1


def test_the_container_may_say_how_it_wants_to_be_asked(model: World) -> None:
    model.cloud.s3.put("s3://in/data/a.csv", "1\n2\n3\n")
    parameters = {"MaxConcurrentTransforms": 3, "BatchStrategy": "SINGLE_RECORD", "MaxPayloadInMB": 2}
    transform(model, TransformInput=csv(), Environment={"PARAMETERS": json.dumps(parameters)})
    assert len(asked(model)) == 3
    said = "sagemaker logs: MaxConcurrentTransforms=3, MaxPayloadInMB=2, BatchStrategy=SINGLE_RECORD"
    assert said in model.cloud.logs.lines(LOG_GROUP, "job/")


def test_the_names_in_a_manifest_are_what_is_transformed(model: World) -> None:
    model.cloud.s3.put("s3://in/data/x/a.csv.gz", gzip.compress(b"1,1\n"))
    model.cloud.s3.put("s3://in/data/x/other.csv", "5\n")
    model.cloud.s3.put("s3://in/m.json", json.dumps([{"prefix": "s3://in/data/"}, "x/a.csv.gz"]))
    given = transform_input("s3://in/m.json", "ManifestFile", CompressionType="Gzip", ContentType="text/csv")
    transform(model, TransformInput=given)
    assert model.cloud.s3.keys("s3://out/") == ["s3://out/t/x/a.csv.gz.out"]
    assert model.cloud.s3.text("s3://out/t/x/a.csv.gz.out") == "2.0"


def test_recordio_is_sent_record_by_record_with_its_framing(model: World) -> None:
    frame = struct.pack("<II", 0xCED7230A, 2) + b"7\n\0\0"
    model.cloud.s3.put("s3://in/data/a.rec", frame * 2)
    given = transform_input("s3://in/data/", SplitType="RecordIO", ContentType="application/x-recordio")
    transform(model, TransformInput=given, BatchStrategy="SingleRecord")
    assert asked(model) == ["asked 12 application/x-recordio None"] * 2


def test_columns_are_filtered_and_joined_with_the_input(model: World) -> None:
    model.cloud.s3.put("s3://in/data/a.csv", 'id-1,"a, b",1,2\nid-2,c,3,4\n')
    output = {"S3OutputPath": "s3://out/t", "AssembleWith": "Line", "Accept": "text/csv"}
    processing = {"InputFilter": "$[2:]", "JoinSource": "Input", "OutputFilter": "$[0,1:2,-1]"}
    transform(model, TransformInput=csv(), TransformOutput=output, DataProcessing=processing)
    assert model.cloud.s3.text("s3://out/t/a.csv.out") == 'id-1,"a, b",3.0\nid-2,c,7.0\n'


def test_a_json_document_is_joined_under_awss_name(model: World) -> None:
    model.cloud.s3.put("s3://in/data/a.json", json.dumps({"id": 7, "in": {"x": [1, 2]}}))
    processing = {"InputFilter": "$.in", "JoinSource": "Input", "OutputFilter": "$['id','SageMakerOutput']"}
    given = transform_input("s3://in/data/", ContentType="application/json")
    job = transform(model, TransformInput=given, DataProcessing=processing)
    assert job["TransformJobStatus"] == "Completed", job
    assert json.loads(model.cloud.s3.text("s3://out/t/a.json.out")) == {"id": 7, "SageMakerOutput": {"sum": 3}}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("1\nbad\n", "ClientError: s3://in/data/a.csv: Received client error (400) from the container with message "),
        ("1\nbroken\n", "AlgorithmError: s3://in/data/a.csv: Received server error (500) from the container"),
        ("die\n", "AlgorithmError: s3://in/data/a.csv: the container gave no answer"),
    ],
)
def test_the_first_record_that_fails_fails_the_job(model: World, content: str, reason: str) -> None:
    model.cloud.s3.put("s3://in/data/a.csv", content)
    model.cloud.s3.put("s3://in/data/b.csv", "1\n")
    job = transform(model, TransformInput=csv())
    assert job["TransformJobStatus"] == "Failed"
    assert reason in job["FailureReason"]
    assert "s3://out/t/a.csv.out" not in model.cloud.s3.keys("s3://out/")
    logged = [line for line in model.cloud.logs.lines(LOG_GROUP) if "in/data/a.csv: " in line]
    assert len(logged) == 1


def test_a_container_that_is_never_healthy_fails_the_job(world: World) -> None:
    world.image("app", serve="#!/bin/sh\necho 'no such module' >&2\nexit 3\n")
    world.client.create_model(ModelName="m", PrimaryContainer={"Image": image("app")}, ExecutionRoleArn=ROLE)
    world.cloud.s3.put("s3://in/data/a.csv", "1\n")
    job = transform(world, TransformInput=csv())
    assert job["TransformJobStatus"] == "Failed"
    assert "did not pass the ping health check" in job["FailureReason"]
    assert "no such module" in job["FailureReason"]


def test_a_record_that_is_too_large_is_refused(model: World) -> None:
    model.cloud.s3.put("s3://in/data/a.csv", "1" * (1 << 20) + "\n")
    job = transform(model, TransformInput=csv(), MaxPayloadInMB=1)
    assert "more than MaxPayloadInMB (1)" in job["FailureReason"]


def test_a_prefix_with_nothing_under_it_fails_the_job(model: World) -> None:
    assert "No S3 objects found" in transform(model)["FailureReason"]


def test_a_stop_ends_what_waits_for_an_answer(model: World) -> None:
    model.cloud.s3.put("s3://in/data/a.csv", "hang\n")
    start_transform(model, TransformInput=csv())
    model.cloud.await_line("asked 5 text/csv None")
    model.client.stop_transform_job(TransformJobName="job")
    assert await_transform(model)["TransformJobStatus"] == "Stopped"
    assert model.cloud.s3.keys("s3://out/") == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"TransformInput": transform_input("s3://in/", SplitType="TFRecord")}, "TFRecord is not run"),
        ({"TransformInput": transform_input("s3://in/", "AugmentedManifestFile")}, "AugmentedManifestFile"),
        ({"MaxPayloadInMB": 20, "MaxConcurrentTransforms": 6}, "cannot exceed 100 MB"),
        ({"DataProcessing": {"InputFilter": "$..a"}}, "is not one that batch transform supports"),
        ({"DataProcessing": {"JoinSource": "Input"}}, "DataProcessing needs a ContentType"),
        ({"ModelName": "none"}, "Could not find model"),
    ],
)
def test_what_cannot_be_honoured_is_refused(model: World, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError, match="ValidationException") as caught:
        start_transform(model, **change)
    assert message in str(caught.value)
