"""The private names of MiniStack that local/ministack leans on: another version must fail here first."""

import inspect
from importlib.metadata import version

from ministack import app as ministack_app
from ministack.core import persistence, router
from ministack.services import eventbridge, s3


def test_the_pinned_version_is_the_one_these_contracts_were_read_from() -> None:
    assert version("ministack") == "1.5.33"


def test_a_service_is_an_entry_in_a_plain_dict() -> None:
    assert isinstance(ministack_app.SERVICE_HANDLERS, dict)
    assert {"s3", "states", "events", "lambda", "dynamodb"} <= set(ministack_app.SERVICE_HANDLERS)
    handler = ministack_app.SERVICE_HANDLERS["s3"]
    assert list(inspect.signature(handler).parameters) == [
        "method",
        "path",
        "headers",
        "body",
        "query_params",
    ]


def test_the_names_of_known_services_are_read_once_from_one_place() -> None:
    source = inspect.getsource(router._is_aws_service_name)
    assert "if _KNOWN_AWS_SERVICE_NAMES is None:" in source
    assert "return scope_name in _KNOWN_AWS_SERVICE_NAMES" in source


def test_sagemaker_is_not_answered_by_ministack_itself() -> None:
    assert "sagemaker" not in ministack_app.SERVICE_HANDLERS


def test_internal_emitters_may_put_events_of_aws_services() -> None:
    assert "allow_aws_source" in inspect.signature(eventbridge._put_events).parameters
    assert list(inspect.signature(eventbridge._dispatch_event).parameters) == ["event", "view"]


def test_an_object_without_a_type_is_given_one_in_two_places() -> None:
    assert list(inspect.signature(s3._build_object_record).parameters)[:2] == ["body", "headers"]
    assert list(inspect.signature(s3._create_multipart_upload).parameters) == ["bucket_name", "key", "headers"]
    for function in (s3._build_object_record, s3._create_multipart_upload):
        assert 'headers.get("content-type", "application/octet-stream")' in inspect.getsource(function)


def test_an_object_event_is_fired_with_its_version_id() -> None:
    assert "version_id" in inspect.signature(s3._fire_s3_event).parameters
    assert "_eb._dispatch_event(eb_event)" in inspect.getsource(s3._fire_s3_event)
    # The thread's target is looked up by name when the event fires, so that a wrapper set later is used.
    assert "args=(_fire_s3_event," in inspect.getsource(s3._fire_s3_event_async)


def test_state_can_be_saved_while_the_server_runs() -> None:
    assert callable(persistence.save_all)
    assert isinstance(ministack_app._build_persistence_save_dict(), dict)


def test_the_bytes_of_every_version_stay_in_memory_although_they_are_on_disk() -> None:
    assert list(inspect.signature(s3._persist_object).parameters) == ["bucket", "key", "obj"]
    assert 'obj["body"] = None' in inspect.getsource(s3._persist_object)
    entry = s3._version_entry_from_record({"last_modified": "", "etag": "", "size": 1}, "v1", b"x")
    assert (entry["version_id"], entry["data"]) == ("v1", b"x")
    # Without its bytes a version is read from its own file, or from the object's when it is the current one.
    source = inspect.getsource(s3._version_body)
    assert "_version_file_exists" in source
    assert "_read_body" in source
