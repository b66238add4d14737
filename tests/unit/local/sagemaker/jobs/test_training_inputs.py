"""The ways a training job's data may be given, and what each becomes below /opt/ml/input."""

import gzip
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.sagemaker.jobs.training.kind import LOG_GROUP
from tests.unit.local.sagemaker.conftest import World
from tests.unit.local.sagemaker.jobs.requests import channel, resources, start_training, train
from tests.unit.local.sagemaker.jobs.test_training import MODEL, members

LIST = """#!/bin/sh
cd /opt/ml/input/data/train
find . -type f | sort > /opt/ml/model/names
find . -maxdepth 1 -type f -exec cat {} + > /opt/ml/model/all
"""


def trained(world: World, **more: Any) -> dict[str, bytes]:
    world.image("app", train=LIST)
    job = train(world, **more)
    assert job["TrainingJobStatus"] == "Completed", job["FailureReason"]
    return members(world.cloud.s3.content(MODEL))


def test_the_names_in_a_manifest_become_files_of_those_names(world: World) -> None:
    for name in ("a.csv", "deep/b.csv", "other.csv"):
        world.cloud.s3.put(f"s3://in/data/{name}", name)
    world.cloud.s3.put("s3://in/m.json", json.dumps([{"prefix": "s3://in/data/"}, "a.csv", "deep/b.csv"]))
    found = trained(world, InputDataConfig=[channel("train", "s3://in/m.json", "ManifestFile")])
    assert found["names"] == b"./a.csv\n./deep/b.csv\n"


def test_an_augmented_manifest_becomes_a_file_beside_the_objects_it_names(world: World) -> None:
    world.cloud.s3.put("s3://in/images/cat.jpg", "meow")
    world.cloud.s3.put("s3://in/m.jsonl", json.dumps({"source-ref": "s3://in/images/cat.jpg", "label": 1, "more": 2}))
    source = {"AttributeNames": ["source-ref", "label"]}
    given = channel("train", "s3://in/m.jsonl", "AugmentedManifestFile", source, InputMode="Pipe")
    found = trained(world, InputDataConfig=[given])
    assert found["names"] == b"./m.jsonl\n./source-ref/1-cat.jpg\n"
    assert json.loads(found["all"]) == {"source-ref": "source-ref/1-cat.jpg", "label": 1}


@pytest.mark.parametrize("mode", ["FastFile", "Pipe"])
def test_another_input_mode_brings_the_same_files_and_says_so(world: World, mode: str) -> None:
    world.cloud.s3.put("s3://in/data/a", "1")
    given = channel("train", "s3://in/data/", InputMode=mode)
    assert trained(world, InputDataConfig=[given])["names"] == b"./a\n"
    said = f"[local] the channel train of InputMode {mode} is brought in as files"
    assert said in world.cloud.logs.lines(LOG_GROUP)


def test_gzip_is_unpacked(world: World) -> None:
    world.cloud.s3.put("s3://in/data/a.csv.gz", gzip.compress(b"unpacked"))
    given = channel("train", "s3://in/data/", CompressionType="Gzip")
    found = trained(world, InputDataConfig=[given])
    assert found == {"names": b"./a.csv\n", "all": b"unpacked"}


def test_what_is_not_gzip_fails_the_job(world: World) -> None:
    world.image("app", train="#!/bin/sh\nexit 0\n")
    world.cloud.s3.put("s3://in/data/a.csv.gz", "plain")
    job = train(world, InputDataConfig=[channel("train", "s3://in/data/", CompressionType="Gzip")])
    assert "Data download failed: s3://in/data/a.csv.gz is not gzip" in job["FailureReason"]


def test_shards_are_for_one_instance_each(world: World) -> None:
    world.image("app", train="#!/bin/sh\nls /opt/ml/input/data/train /opt/ml/input/data/all\n")
    for name in "abc":
        world.cloud.s3.put(f"s3://in/data/{name}", name)
    sharded = channel("train", "s3://in/data/", source={"S3DataDistributionType": "ShardedByS3Key"})
    train(world, InputDataConfig=[sharded, channel("all", "s3://in/data/")], ResourceConfig=resources(2))
    listed = [world.cloud.logs.lines(LOG_GROUP, f"job/algo-{n}") for n in (1, 2)]
    assert [[line for line in lines if line in "abc"] for lines in listed] == [list("abcac"), list("abcb")]


def test_a_channel_may_be_for_one_group_of_instances(world: World) -> None:
    world.image("app", train="#!/bin/sh\ncat /opt/ml/input/config/resourceconfig.json\nls /opt/ml/input/data\n")
    world.cloud.s3.put("s3://in/data/a", "1")
    groups = [
        {"InstanceGroupName": "data", "InstanceType": "ml.m5.large", "InstanceCount": 1},
        {"InstanceGroupName": "gpu", "InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
    ]
    given = channel("train", "s3://in/data/", source={"InstanceGroupNames": ["gpu"]})
    train(world, InputDataConfig=[given], ResourceConfig={"InstanceGroups": groups, "VolumeSizeInGB": 1})
    first, second = ("".join(world.cloud.logs.lines(LOG_GROUP, f"job/algo-{n}")) for n in (1, 2))
    assert not first.endswith("train")
    assert second.endswith("}train")
    configuration = json.loads(second.removesuffix("train"))
    assert configuration["current_group_name"] == "gpu"
    assert [group["hosts"] for group in configuration["instance_groups"]] == [["algo-1"], ["algo-2"]]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (channel("train", "s3://in/", RecordWrapperType="RecordIO"), "RecordWrapperType RecordIO"),
        (channel("train", "s3://in/", "AugmentedManifestFile"), "AttributeNames must be given"),
        (channel("train", "s3://in/", "Converse"), "S3DataType Converse"),
        (
            {"ChannelName": "train", "DataSource": {"FileSystemDataSource": {
                "FileSystemId": "fs-0123456789", "FileSystemAccessMode": "ro", "FileSystemType": "EFS",
                "DirectoryPath": "/x"}}},
            "a data source other than S3",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_brought_in_is_refused(world: World, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError, match="ValidationException") as caught:
        start_training(world, "job", InputDataConfig=[given])
    assert message in str(caught.value)
    assert "channel train" in str(caught.value)


@pytest.mark.parametrize("manifest", ["{}", "[]", "not JSON", '[{"prefix": "s3://in/"}, "../up"]'])
def test_a_manifest_that_is_none_fails_the_job(world: World, manifest: str) -> None:
    world.image("app", train="#!/bin/sh\nexit 0\n")
    world.cloud.s3.put("s3://in/m.json", manifest)
    job = train(world, InputDataConfig=[channel("train", "s3://in/m.json", "ManifestFile")])
    assert job["FailureReason"].startswith("ClientError: Data download failed: ")
