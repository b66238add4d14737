"""The items of a map run, from S3: a list of objects, or what an object holds.

Source: the Developer Guide, "ItemReader (Map)". An object is read as a stream; a JSON document is read whole.
"""

import codecs
import csv
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.documents import Json
from local.stepfunctions.asl.documents import decode
from local.stepfunctions.mapruns import delimited
from local.stepfunctions.mapruns.delimited import FieldTooLong
from local.stepfunctions.mapruns.errors import reader_failed

Items = Iterator[Any]
_CHUNK_BYTES = 65_536
_MAX_JSON_BYTES = 256 * 1024 * 1024
_DELIMITERS = {"COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "SPACE": " ", "TAB": "\t"}


def read(client: Any, resource: str, arguments: Mapping[str, Json], config: Mapping[str, Json]) -> Items:
    """`client` is one of S3, `config` the ReaderConfig. The items raise MapRunFailed."""
    try:
        yield from _read(client, resource, arguments, config)
    except (ClientError, BotoCoreError) as error:
        raise reader_failed(said(error)) from error
    except (UnicodeDecodeError, csv.Error, FieldTooLong, zlib.error) as error:
        raise reader_failed(f"The object could not be read: {error}") from error


def _read(client: Any, resource: str, arguments: Mapping[str, Json], config: Mapping[str, Json]) -> Items:
    is_list = resource.rpartition(":")[2] == "listObjectsV2"
    items = _listed(client, arguments, config) if is_list else _object(client, arguments, config)
    most = config.get("MaxItems", 0)
    return islice(items, most) if most > 0 else items


def said(error: ClientError | BotoCoreError) -> str:
    """Words an error as the AWS SDK for Java does."""
    if not isinstance(error, ClientError):
        return str(error)
    told, sent = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
    return (
        f"{told.get('Message', error)} (Service: Amazon S3; Status Code: {sent.get('HTTPStatusCode')}; "
        f"Error Code: {told.get('Code')}; Request ID: {sent.get('RequestId', '')})"
    )


# A list of objects.


def _listed(client: Any, arguments: Mapping[str, Json], config: Mapping[str, Json]) -> Items:
    is_loaded = config.get("Transformation") == "LOAD_AND_FLATTEN"
    for page in client.get_paginator("list_objects_v2").paginate(**arguments):
        for entry in page.get("Contents", ()):
            if not is_loaded:
                yield _entry(entry)
            elif not entry["Key"].endswith("/"):
                yield from _object(client, {"Bucket": arguments["Bucket"], "Key": entry["Key"]}, config)


def _entry(entry: Mapping[str, Json]) -> dict[str, Json]:
    return {
        "Etag": entry["ETag"],
        "Key": entry["Key"],
        "LastModified": int(entry["LastModified"].timestamp()),
        "Size": entry["Size"],
        "StorageClass": entry.get("StorageClass", "STANDARD"),
    }


# What an object holds.


def _object(client: Any, arguments: Mapping[str, Json], config: Mapping[str, Json]) -> Items:
    kind = config.get("InputType")
    if config.get("ManifestType") == "ATHENA_DATA":
        return _athena(client, arguments, config)
    if config.get("ManifestType") == "S3_INVENTORY":
        kind = "MANIFEST"
    if kind == "MANIFEST":
        return _inventory(client, arguments)
    if kind == "PARQUET":
        raise reader_failed("PARQUET files are not read by the local cloud: convert the data to CSV, JSON or JSONL.")
    reader = _READERS.get(str(kind))
    if reader is None:
        raise reader_failed(f"The InputType {kind!r} is not one of CSV, JSON, JSONL, MANIFEST, PARQUET.")
    return reader(_bytes(client, arguments), config)


def _bytes(client: Any, arguments: Mapping[str, Json]) -> Iterator[bytes]:
    body = client.get_object(**arguments)["Body"]
    try:
        yield from body.iter_chunks(_CHUNK_BYTES)
    finally:
        body.close()


def _text(data: Iterable[bytes]) -> Iterator[str]:
    return codecs.iterdecode(data, "utf-8-sig")


def _lines(texts: Iterable[str]) -> Iterator[str]:
    """Yields lines with their ends."""
    rest = ""
    for text in texts:
        *whole, rest = (rest + text).split("\n")
        for line in whole:
            yield line + "\n"
    if rest:
        yield rest


def _csv(data: Iterable[bytes], config: Mapping[str, Json]) -> Items:
    delimiter = _DELIMITERS.get(config.get("CSVDelimiter", "COMMA"), ",")
    rows = delimited.rows(_lines(_text(data)), delimiter)
    headers = _headers(rows, config)
    for row in rows:
        # Values beyond the headers are dropped, and those that are missing are empty.
        yield dict(zip(headers, row + [""] * (len(headers) - len(row)), strict=False))


def _headers(rows: Iterator[list[str]], config: Mapping[str, Json]) -> list[str]:
    if config.get("CSVHeaderLocation") == "GIVEN":
        headers: list[str] = config.get("CSVHeaders", [])
    else:
        first = next(rows, None)
        if first is None:
            raise reader_failed("The CSV file is empty.")
        headers = first
    if len(set(headers)) < len(headers):
        raise reader_failed("CSV headers cannot contain duplicates.")
    return headers


def _json(data: Iterable[bytes], config: Mapping[str, Json]) -> Items:
    parts, length = [], 0
    for part in data:
        length += len(part)
        if length > _MAX_JSON_BYTES:
            raise reader_failed(f"The JSON document is larger than {_MAX_JSON_BYTES} bytes.")
        parts.append(part)
    value = _pointed(_decoded(b"".join(parts).decode("utf-8-sig")), config.get("ItemsPointer", ""))
    if not isinstance(value, list):
        raise reader_failed("Attempting to map over non-iterable node.")
    return iter(value)


def _pointed(value: Any, pointer: str) -> Any:
    """RFC 6901."""
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        try:
            value = value[int(name)] if isinstance(value, list) else value[name]
        except (LookupError, ValueError, TypeError):
            raise reader_failed(f"The ItemsPointer {pointer!r} leads nowhere in the JSON document.") from None
    return value


def _json_lines(data: Iterable[bytes], _config: Mapping[str, Json]) -> Items:
    return (_decoded(line) for line in _lines(_text(data)) if line.strip())


def _decoded(text: str) -> Any:
    try:
        return decode(text)
    except ValueError as error:
        raise reader_failed(f"The object is not valid JSON: {error}") from error


_READERS: Mapping[str, Callable[[Iterable[bytes], Mapping[str, Json]], Items]] = {
    "CSV": _csv,
    "JSON": _json,
    "JSONL": _json_lines,
}


# Manifests.


def _inventory(client: Any, arguments: Mapping[str, Json]) -> Items:
    """Reads S3 Inventory: its rows, one object each."""
    manifest = _decoded(b"".join(_bytes(client, arguments)).decode("utf-8-sig"))
    try:
        columns = [name.strip() for name in manifest["fileSchema"].split(",")]
        bucket, keys = manifest["destinationBucket"].rpartition(":::")[2], [file["key"] for file in manifest["files"]]
        kind = manifest.get("fileFormat", "CSV")
    except (KeyError, TypeError, AttributeError) as error:
        raise reader_failed("The object is not a manifest of an S3 Inventory.") from error
    if kind != "CSV":
        raise reader_failed(f"Inventories in {kind} are not read by the local cloud: let S3 Inventory write CSV.")
    return _inventory_rows(client, bucket, keys, columns)


def _inventory_rows(client: Any, bucket: str, keys: list[str], columns: list[str]) -> Items:
    for key in keys:
        data = _bytes(client, {"Bucket": bucket, "Key": key})
        for row in csv.reader(_lines(_text(_unzipped(data) if key.endswith(".gz") else data))):
            if row:
                yield dict(zip(columns, row, strict=False))


def _unzipped(data: Iterable[bytes]) -> Iterator[bytes]:
    unzip = zlib.decompressobj(wbits=31)
    for part in data:
        yield unzip.decompress(part)
    yield unzip.flush()


def _athena(client: Any, arguments: Mapping[str, Json], config: Mapping[str, Json]) -> Items:
    """Reads what UNLOAD left: a list of the data's objects, each `s3://bucket/key`."""
    rest = {name: value for name, value in config.items() if name != "ManifestType"}
    for line in _lines(_text(_bytes(client, arguments))):
        bucket, _, key = line.strip().strip('"').removeprefix("s3://").partition("/")
        if key:
            yield from _object(client, {"Bucket": bucket, "Key": key}, rest)
