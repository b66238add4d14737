import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from local.clients import LocalClients
from local.stepfunctions.mapruns.errors import MapRunFailed
from local.stepfunctions.mapruns.reading import read

# What they share is made once: one worker runs them all.
pytestmark = pytest.mark.xdist_group("storage")

_GET = "arn:aws:states:::s3:getObject"
_LIST = "arn:aws:states:::s3:listObjectsV2"
Put = Callable[[str, str | bytes], dict[str, Any]]


def found(storage: LocalClients, where: dict[str, Any], config: dict[str, Any], resource: str = _GET) -> list[Any]:
    return list(read(storage.client("s3"), resource, where, config))


@pytest.mark.parametrize(
    ("text", "config", "items"),
    [
        ("a,b\n1,2\n3,4\n", {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}, [["1", "2"], ["3", "4"]]),
        ("a,b\r\n1,2\r\n\r\n3", {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}, [["1", "2"], ["3", ""]]),
        ("\ufeffa,b\n,,,\n", {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}, [["", ""]]),
        ('a,b\n"x\ny","p,q"\n', {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}, [["x\ny", "p,q"]]),
        ("1|2\n", {"InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": ["a", "b"], "CSVDelimiter": "PIPE"},
         [["1", "2"]]),
    ],
)  # fmt: skip
def test_rows_of_csv_are_items(
    storage: LocalClients, put: Put, text: str, config: dict[str, Any], items: list[list[str]]
) -> None:
    assert found(storage, put("data.csv", text), config) == [dict(zip("ab", row, strict=True)) for row in items]


@pytest.mark.parametrize(
    ("text", "config", "items"),
    [
        ("[1, {}]", {"InputType": "JSON"}, [1, {}]),
        ('{"a~": {"b/c": [[3]]}}', {"InputType": "JSON", "ItemsPointer": "/a~0/b~1c/0"}, [3]),
        ('{"a": 1}\n\n[2]\n"é"', {"InputType": "JSONL"}, [{"a": 1}, [2], "é"]),
        ("[1,2,3]", {"InputType": "JSON", "MaxItems": 2}, [1, 2]),
        ("[1,2,3]", {"InputType": "JSON", "MaxItems": 0}, [1, 2, 3]),
    ],
)
def test_json_gives_items(storage: LocalClients, put: Put, text: str, config: dict[str, Any], items: list[Any]) -> None:
    assert found(storage, put("data.json", text), config) == items


def test_objects_are_items_page_after_page(storage: LocalClients, bucket: str, put: Put) -> None:
    for number in range(5):
        put(f"in/{number}", "x" * number)
    put("out/0", "")
    items = found(storage, {"Bucket": bucket, "Prefix": "in/", "MaxKeys": 2}, {}, _LIST)
    assert [(item["Key"], item["Size"]) for item in items] == [(f"in/{number}", number) for number in range(5)]
    assert set(items[0]) == {"Etag", "Key", "LastModified", "Size", "StorageClass"}
    assert isinstance(items[0]["LastModified"], int)
    assert len(found(storage, {"Bucket": bucket}, {"MaxItems": 3}, _LIST)) == 3


def test_what_listed_objects_hold_can_be_the_items(storage: LocalClients, bucket: str, put: Put) -> None:
    put("in/a.json", "[1,2]")
    put("in/b.json", "[3]")
    config = {"InputType": "JSON", "Transformation": "LOAD_AND_FLATTEN"}
    assert found(storage, {"Bucket": bucket, "Prefix": "in/"}, config, _LIST) == [1, 2, 3]


def test_inventory_gives_the_objects_of_its_files(storage: LocalClients, bucket: str, put: Put) -> None:
    put("inv/1.csv.gz", gzip.compress(b'"data","a.jpg","1"\n"data","b.jpg","2"\n'))
    put("inv/2.csv", '"data","c.jpg","3"\n')
    manifest = {
        "sourceBucket": "data",
        "destinationBucket": f"arn:aws:s3:::{bucket}",
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, Size",
        "files": [{"key": "inv/1.csv.gz"}, {"key": "inv/2.csv"}],
    }
    items = found(storage, put("inv/manifest.json", json.dumps(manifest)), {"InputType": "MANIFEST"})
    assert items == [{"Bucket": "data", "Key": f"{name}.jpg", "Size": str(i)} for i, name in enumerate("abc", 1)]


def test_manifest_of_athena_leads_to_the_data(storage: LocalClients, bucket: str, put: Put) -> None:
    put("data/1", '{"a": 1}\n')
    put("data/2", '{"a": 2}\n')
    where = put("manifest.csv", f"s3://{bucket}/data/1\ns3://{bucket}/data/2\n")
    assert found(storage, where, {"InputType": "JSONL", "ManifestType": "ATHENA_DATA"}) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    ("body", "config", "cause"),
    [
        ("{}", {"InputType": "JSON"}, "Attempting to map over non-iterable node."),
        ("", {"InputType": "JSON"}, "not valid JSON"),
        ("[1", {"InputType": "JSON"}, "not valid JSON"),
        ("[]", {"InputType": "JSON", "ItemsPointer": "/a"}, "leads nowhere"),
        ("1\nx\n", {"InputType": "JSONL"}, "not valid JSON"),
        ("", {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}, "empty"),
        ("a,a\n", {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}, "CSV headers cannot contain duplicates."),
        (b"a\n\xff\n", {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}, "could not be read"),
        (b"\xff", {"InputType": "JSON"}, "could not be read"),
        ("{}", {"InputType": "MANIFEST"}, "not a manifest"),
        ('{"fileSchema": "Key", "destinationBucket": "b", "files": [], "fileFormat": "ORC"}',
         {"InputType": "MANIFEST"}, "ORC"),
        ("", {"InputType": "PARQUET"}, "PARQUET"),
        ("", {"InputType": "XML"}, "'XML' is not one of"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_why(
    storage: LocalClients, put: Put, body: str | bytes, config: dict[str, Any], cause: str
) -> None:
    with pytest.raises(MapRunFailed) as raised:
        found(storage, put("data", body), config)
    assert raised.value.error == "States.ItemReaderFailed"
    assert cause in str(raised.value.cause)


def test_missing_object_and_bucket_are_told_as_s3_tells_them(storage: LocalClients, bucket: str) -> None:
    for where, code in (({"Bucket": bucket, "Key": "no"}, "NoSuchKey"), ({"Bucket": "nowhere"}, "NoSuchBucket")):
        with pytest.raises(MapRunFailed, match=f"Amazon S3; Status Code: 404; Error Code: {code}"):
            found(storage, where, {"InputType": "JSON"}, _GET if "Key" in where else _LIST)
