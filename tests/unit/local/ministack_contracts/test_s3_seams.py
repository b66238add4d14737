"""The private names of MiniStack's S3 and of its front: another version must fail here first."""

import ast
import inspect
from typing import Any

from ministack import app as ministack_app
from ministack.services import s3

from local.ministack import parts, subresources
from tests.unit.local.ministack_contracts.test_subresources import MODEL, request_of


def test_ministack_asks_for_checksums_by_these_names() -> None:
    for function, names in (
        (s3.handle_request, []),
        (s3._build_object_record, ["body", "headers", "etag", "checksums"]),
        (s3._resolve_object_checksums, ["body", "headers"]),
        (s3._put_object, ["bucket_name", "key", "body", "headers"]),
        (s3._copy_object, ["bucket_name", "dest_key", "headers"]),
        (s3._create_multipart_upload, ["bucket_name", "key", "headers"]),
        (s3._upload_part, ["bucket_name", "key", "body", "query_params", "headers"]),
        (s3._upload_part_copy, ["bucket_name", "dest_key", "query_params", "headers"]),
        (s3._complete_multipart_upload, ["bucket_name", "key", "body", "query_params", "headers"]),
        (s3._composite_checksum, ["algorithm", "part_checksums"]),
        (s3._record_object_version, ["bucket_name", "key", "prior_obj", "obj"]),
    ):
        assert list(inspect.signature(function).parameters)[: len(names)] == names
    source = inspect.getsource(s3)
    for asked in ("_compute_s3_checksum(alg, body)", "md5_hash(body)", "_validate_content_md5(headers, body)"):
        assert asked in source
    assert '_completed_multipart_uploads[upload_id] = {"key": key, "response": response}' in source
    assert '"checksum_algorithm": checksum_algorithm,' in source
    assert parts.types("SHA1") == ("COMPOSITE",)


def test_the_operations_that_are_not_served_are_those_the_dispatcher_has_no_word_for() -> None:
    words = _words(s3._dispatch)
    missing = set()
    for operation in MODEL.operation_names:
        method, with_key, query = request_of(operation)
        literals = query.keys() - {"id"}
        if literals and not literals <= words[method, with_key]:
            missing.add(operation)
    # MiniStack looks for this one by another name, and it is told so.
    assert missing - {"GetBucketRequestPayment"} == subresources.NOT_SERVED


def _words(function: Any) -> dict[tuple[str, bool], set[str]]:
    """The sub-resources that the dispatcher asks for, by method and by whether there is a key."""
    words: dict[tuple[str, bool], set[str]] = {}
    tree = ast.parse(inspect.getsource(function))

    def walk(nodes: list[ast.stmt], with_key: bool, method: str) -> None:
        for node in nodes:
            if not isinstance(node, ast.If):
                continue
            test = ast.unparse(node.test)
            inner = with_key or test == "key"
            named = test.split("'")[1] if test.startswith("method == '") else method
            if " in query_params" in test and named:
                for part in test.split("'")[1::2]:
                    words.setdefault((named, inner), set()).add(part)
            walk(node.body, inner, named)

    walk(tree.body[0].body, False, "")  # type: ignore[attr-defined]
    return words


def test_bulk_stands_between_these() -> None:
    assert list(inspect.signature(ministack_app._read_request_body).parameters) == ["receive", "method", "headers"]
    assert "body = await _read_request_body(receive, method, headers)" in inspect.getsource(ministack_app.app)
    assert 'message.get("body", b"")' in inspect.getsource(ministack_app._read_request_body)
    assert list(inspect.signature(s3.handle_request).parameters)[:5] == [
        "method",
        "path",
        "headers",
        "body",
        "query_params",
    ]
    assert s3._parse_bucket_key("/b/k/l", {}) == ("b", "k/l")
    assert s3._OBJECT_LAMBDA_ALIAS_SUFFIX == "--ol-s3"
    assert list(inspect.signature(s3._read_body).parameters) == ["bucket_name", "key", "obj"]
    assert list(inspect.signature(s3._version_body).parameters) == ["bucket", "bucket_name", "key", "v"]
    assert list(inspect.signature(s3._version_disk_path).parameters)[:3] == ["bucket", "key", "version_id"]
    assert list(inspect.signature(s3._get_object).parameters) == ["bucket_name", "key", "headers", "query_params"]
    assert s3._parse_range("bytes=1-", 5) == (1, 4)
    # What is read is only measured, cut and answered: an object that does so by itself is enough.
    source = inspect.getsource(s3._get_object)
    assert source.count("_read_body(") == 1
    for use in ("body[offset : offset + length]", "body[start : end + 1]", "return 200, resp_headers, body"):
        assert use in source
    assert "src_body[start : end + 1]" in inspect.getsource(s3._upload_part_copy)


def test_s3_waits_for_nothing_but_object_lambda() -> None:
    """A request is answered in a thread without an event loop."""
    tree = ast.parse(inspect.getsource(s3.handle_request))
    waits = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Await)]
    assert len(waits) == 1
    assert "s3_object_lambda.handle_request" in waits[0]


def test_ministack_joins_what_came_of_one_message_without_a_copy() -> None:
    body = bytes(1000)
    assert b"".join([body]) is body
    assert 'body = b"".join(chunks)' in inspect.getsource(ministack_app._read_request_body)


def test_a_request_is_dispatched_under_this_name() -> None:
    assert list(inspect.signature(ministack_app._dispatch_service_request).parameters) == [
        "method",
        "path",
        "headers",
        "body",
        "query_params",
        "request_id",
    ]
    source = inspect.getsource(ministack_app._dispatch_service_request)
    assert 'json.dumps({"error": f"Unsupported service: {service}"})' in source


def test_the_private_names_are_there() -> None:
    assert "extra" in inspect.signature(s3._error).parameters
    assert hasattr(s3._bucket_encryption, "get")
    parsed = s3._parse_multipart_form("multipart/form-data; boundary=b", b"--b\r\na: b\r\n\r\nx\r\n--b--\r\n")
    assert parsed == [("", None, {"a": "b"}, b"x")]
