"""The private names of MiniStack that local/ministack leans on: another version must fail here first."""

import inspect
from importlib.metadata import version

import pytest
from ministack import app as ministack_app
from ministack.core import lambda_runtime, persistence, router
from ministack.services import eventbridge, lambda_svc, s3, stepfunctions

from local.ministack import executions, functions


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


def test_the_interpreter_sleeps_a_known_time_before_the_first_state() -> None:
    source = inspect.getsource(stepfunctions._run_execution)
    assert f"time.sleep({executions.START_DELAY_SECONDS})" in source


def test_the_interpreter_uses_only_the_clock_functions_that_we_hand_it() -> None:
    source = inspect.getsource(stepfunctions).replace("datetime.time", "")
    used = {name for name in dir(__import__("time")) if f" time.{name}(" in source or f"(time.{name}(" in source}
    assert used <= {"time", "monotonic", "sleep"}


def test_internal_emitters_may_put_events_of_aws_services() -> None:
    assert "allow_aws_source" in inspect.signature(eventbridge._put_events).parameters
    assert list(inspect.signature(eventbridge._dispatch_event).parameters) == ["event", "view"]


def test_an_object_event_is_fired_with_its_version_id() -> None:
    assert "version_id" in inspect.signature(s3._fire_s3_event).parameters
    assert "_eb._dispatch_event(eb_event)" in inspect.getsource(s3._fire_s3_event)
    # The thread's target is looked up by name when the event fires, so that a wrapper set later is used.
    assert "args=(_fire_s3_event," in inspect.getsource(s3._fire_s3_event_async)


def test_a_warm_function_reports_every_exception_as_a_handler_error() -> None:
    parameters = list(inspect.signature(lambda_svc._execute_function_warm).parameters)
    assert parameters == ["func", "event", "request_id"]
    source = inspect.getsource(lambda_svc._execute_function_warm)
    assert 'error_type = "Runtime.HandlerError"' in source
    assert '"log"' in source


def test_a_failed_function_leaves_its_task_token_waiting() -> None:
    parameters = list(inspect.signature(stepfunctions._invoke_with_callback).parameters)
    assert parameters == ["resource", "input_data", "token", "state_def"]
    assert list(inspect.signature(stepfunctions._call_lambda).parameters) == ["func_ref", "event"]
    source = inspect.getsource(stepfunctions._invoke_with_callback)
    assert "_call_lambda(func_ref, lambda_payload)\n        except _ExecutionError:\n            pass" in source
    error = stepfunctions._ExecutionError("a", "b")
    assert (error.error, error.cause) == ("a", "b")
    assert callable(stepfunctions._task_tokens.get)


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


def test_executions_that_were_running_are_restored_as_failed() -> None:
    assert "_restore_state(data)" in inspect.getsource(stepfunctions.load_persisted_state)
    assert '"States.ServiceRestart"' in inspect.getsource(stepfunctions._restore_state)
    assert list(inspect.signature(stepfunctions._run_execution).parameters) == ["exec_arn"]
    assert callable(stepfunctions._executions.all_values)


def test_warm_functions_can_be_ended() -> None:
    assert list(inspect.signature(lambda_runtime.reset).parameters) == []


@pytest.mark.parametrize(
    ("log", "message", "expected"),
    [
        (
            'Traceback (most recent call last):\n  File "x.py", line 1, in f\nValueError: no\n',
            "no",
            "ValueError",
        ),
        (
            "noise\nTraceback:\nfunctions.errors.EndpointNotReady: it is Creating",
            "it is Creating",
            "EndpointNotReady",
        ),
        ("Traceback:\nmy.Error: two\nlines: of text\n", "two\nlines: of text", "Error"),
        ("Traceback:\nKeyError: 'a'\n", "'a'", "KeyError"),
        ("Traceback:\nTimeoutError\n", "", "TimeoutError"),
        ("", "Worker process exited immediately. stderr: ", "Runtime.HandlerError"),
        ("what is this?", "boom", "Runtime.HandlerError"),
    ],
)
def test_the_class_of_an_exception_is_read_from_its_traceback(log: str, message: str, expected: str) -> None:
    assert functions.exception_class(log, message) == expected
