"""MiniStack's own addresses, as local/ministack/addresses.py takes them to be."""

import inspect
import re

from ministack import app as ministack_app
from ministack.core import router

from local.ministack import addresses


def test_apis_and_function_urls_always_answer_what_is_addressed_to_them() -> None:
    assert ministack_app._parse_execute_api_url("0123abcd.execute-api.localhost:4566", "/x") is not None
    assert ministack_app._parse_execute_api_url("127.0.0.1:4566", "/_aws/execute-api/0123abcd/$default/x") is not None
    assert ministack_app._parse_execute_api_url("127.0.0.1:4566", "/restapis/0123abcd/s/resources") is None
    assert ministack_app._parse_lambda_url("127.0.0.1:4566", f"/_aws/lambda-url/{'a' * 32}/x") is not None
    assert ministack_app._resolve_custom_domain_request("127.0.0.1:4566", "/") is None
    source = inspect.getsource(ministack_app._handle_pre_body_request)
    assert "None if owns_cors else _handle_options_request" in source


def test_a_bucket_of_a_request_is_one_that_there_is() -> None:
    assert ministack_app._s3_cors_target("127.0.0.1:4566", "/no-such-bucket/key") is None
    assert list(inspect.signature(ministack_app._s3_cors_target).parameters)[:2] == ["host", "path"]


def test_an_api_s_authorization_is_known_and_not_asked_for() -> None:
    resolve, authorization = ministack_app._resolve_stage_and_path, ministack_app._execute_api_authorization_type
    assert list(inspect.signature(resolve).parameters) == ["api_id", "tentative_stage", "execute_path"]
    assert list(inspect.signature(authorization).parameters) == ["api_id", "stage", "method", "execute_path"]
    assert "if not AUTH:\n        return None" in inspect.getsource(ministack_app._enforce_data_plane)


def test_what_is_looked_for_before_the_service_is_known() -> None:
    """All that stands in `_handle_special_data_plane_request` before S3 is known to `_is_taken_before`."""
    source = inspect.getsource(ministack_app._handle_special_data_plane_request)
    before_s3 = source[: source.index("_handle_s3_vhost_request")]
    looked_for = re.findall(r"await _handle_(\w+)_request", before_s3)
    assert looked_for == [
        "s3_control",
        "rds_data",
        "ses_v2",
        "ecr_registry",
        "cloudfront_dataplane",
        "execute_api",
        "lambda_url",
    ]
    assert (ministack_app._S3_CONTROL_PREFIX, ministack_app._SES_V2_PREFIX) == ("/v20180820/", "/v2/email")
    for path in ("/iceberg/v1", "/WriteGetObjectResponse", "/Execute", "/v2/x/blobs/1", "/login", "/_alb/x", "/health"):
        assert not addresses.is_for_s3("POST", path, {"host": "some-bucket.localhost"}, b"")
    assert not addresses.is_for_s3("GET", "/", {"host": "x.cloudfront.localhost"}, b"")
    assert addresses.is_for_s3("GET", "/some-bucket/key", {"host": "127.0.0.1:4566"}, b"")


def test_the_service_is_known_by_header_scope_action_and_path() -> None:
    assert list(inspect.signature(router.detect_service).parameters) == ["method", "path", "headers", "query_params"]
    # A form's fields count besides those of the query, which is why no form of a page is taken for S3's.
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert ministack_app._routing_params("POST", "/", form, b"Action=CreateUser", {}) == {"Action": ["CreateUser"]}
    assert ministack_app._routing_params("POST", "/", {"content-type": "text/plain"}, b"Action=CreateUser", {}) == {}
