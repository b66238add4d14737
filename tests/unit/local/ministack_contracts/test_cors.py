"""What MiniStack does about CORS and its own addresses, as local/ministack/cors.py takes it to be."""

import inspect
import re

from ministack import app as ministack_app
from ministack.core import router
from ministack.services import apigateway, s3
from ministack.services.cloudformation import provisioners

from local.ministack import cors


def test_an_http_api_answers_by_two_functions_that_are_looked_up_when_it_answers() -> None:
    source = inspect.getsource(apigateway._handle_execute_in_scope)
    assert "_cors_preflight_response(cors_cfg, " in source
    assert "_cors_response_headers(cors_cfg, " in source
    for function in (apigateway._cors_response_headers, apigateway._cors_preflight_response):
        assert len(inspect.signature(function).parameters) == 2


def test_a_template_s_rules_are_stored_as_they_stand_there() -> None:
    for function in (provisioners._apigw_v2_api_create, provisioners._apigw_v2_api_update):
        assert '["corsConfiguration"] = ' in inspect.getsource(function)
    handlers = provisioners._RESOURCE_HANDLERS["AWS::ApiGatewayV2::Api"]
    assert handlers["update_with_logical_id"]
    assert list(inspect.signature(provisioners._apigw_v2_api_create).parameters)[1] == "props"
    assert list(inspect.signature(provisioners._apigw_v2_api_update).parameters)[2] == "new_props"


def test_every_page_may_read_everything() -> None:
    """Else nothing would have to be taken out of its answers."""
    assert '"Access-Control-Allow-Origin": "*"' in inspect.getsource(ministack_app._dispatch_service_request)
    assert not ministack_app.AUTH


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
    assert list(inspect.signature(s3.cors_preflight).parameters) == ["bucket_name", "key", "headers"]
    assert list(inspect.signature(s3.cors_response_headers).parameters) == ["bucket_name", "method", "headers"]


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
        assert not cors.is_for_s3("POST", path, {"host": "some-bucket.localhost"}, b"")
    assert not cors.is_for_s3("GET", "/", {"host": "x.cloudfront.localhost"}, b"")
    assert cors.is_for_s3("GET", "/some-bucket/key", {"host": "127.0.0.1:4566"}, b"")


def test_the_service_is_known_by_header_scope_action_and_path() -> None:
    assert list(inspect.signature(router.detect_service).parameters) == ["method", "path", "headers", "query_params"]
    # A form's fields count besides those of the query, which is why no form of a page is taken for S3's.
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert ministack_app._routing_params("POST", "/", form, b"Action=CreateUser", {}) == {"Action": ["CreateUser"]}
    assert ministack_app._routing_params("POST", "/", {"content-type": "text/plain"}, b"Action=CreateUser", {}) == {}
