"""What MiniStack does about CORS, as local/ministack/cors.py takes it to be."""

import inspect

from ministack import app as ministack_app
from ministack.services import apigateway, s3
from ministack.services.cloudformation import provisioners


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


def test_a_bucket_answers_by_its_rules() -> None:
    assert list(inspect.signature(s3.cors_preflight).parameters) == ["bucket_name", "key", "headers"]
    assert list(inspect.signature(s3.cors_response_headers).parameters) == ["bucket_name", "method", "headers"]
