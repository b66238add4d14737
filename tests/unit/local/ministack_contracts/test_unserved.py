"""Requests that MiniStack does not know are refused by name, so that the service's own SDK reads it."""

import asyncio
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError
from ministack import app as ministack_app

from local.ministack import unserved
from local.ministack.unserved import TAKEN_FOR_OTHERS, Request
from tests.unit.local.ministack_contracts.conftest import Served


def refused(call: Any, **request: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as refusal:
        call(**request)
    response = refusal.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"], response["Error"]["Message"]


@pytest.mark.parametrize(
    ("service", "call", "request_", "operation"),
    [
        (
            "application-autoscaling",
            "describe_scaling_policies",
            {"ServiceNamespace": "ecs"},
            "DescribeScalingPolicies",
        ),
        ("redshift", "describe_clusters", {}, "DescribeClusters"),
        ("mediaconvert", "list_jobs", {}, "ListJobs"),
        ("application-insights", "list_applications", {}, "ListApplications"),
        ("accessanalyzer", "list_analyzers", {}, "ListAnalyzers"),
    ],
    ids=["json", "query", "rest-json", "rpc-v2-cbor", "a signing name of its own"],
)
def test_a_service_that_is_not_here_says_which_operation_was_asked(
    served: Served, service: str, call: str, request_: dict[str, str], operation: str
) -> None:
    status, code, message = refused(getattr(served.client(service), call), **request_)
    assert (status, code) in ((501, "NotImplemented"), (400, "InvalidAction"))
    assert operation in message


def test_a_path_that_is_not_here_is_told_as_the_operation_it_means(served: Served) -> None:
    status, code, message = refused(served.client("lambda").list_capacity_providers)
    assert (status, code) == (501, "NotImplemented")
    assert "ListCapacityProviders" in message


def test_an_error_in_json_is_read_by_an_sdk_that_speaks_cbor(served: Served) -> None:
    status, _, message = refused(served.client("cloudwatch").describe_insight_rules)
    assert (status, "DescribeInsightRules" in message) == (400, True)


def test_a_longer_path_is_not_taken_for_a_shorter_one(served: Served) -> None:
    api = served.client("apigatewayv2")
    id_ = api.create_api(Name="a", ProtocolType="HTTP")["ApiId"]
    api.create_stage(ApiId=id_, StageName="kept")
    status, code, message = refused(api.delete_access_log_settings, ApiId=id_, StageName="kept")
    assert (status, code, "DeleteAccessLogSettings" in message) == (501, "NotImplemented", True)
    assert api.get_stage(ApiId=id_, StageName="kept")["StageName"] == "kept"


@pytest.mark.parametrize(
    ("service", "operation"), [(service, name) for service, names in TAKEN_FOR_OTHERS.items() for name in names]
)
def test_each_of_them_is_told_by_its_address(service: str, operation: str) -> None:
    http = botocore.session.get_session().get_service_model(service).operation_model(operation).http
    path, _, query = http["requestUri"].partition("?")
    scope = "apigateway" if service.startswith("apigateway") else service
    headers = {"authorization": f"AWS4-HMAC-SHA256 Credential=a/b/c/{scope}/aws4_request"}
    fixed = dict([query.split("=")]) if query else {}
    request = Request(
        http["method"], path.replace("{", "").replace("}", ""), headers, b"", {k: [v] for k, v in fixed.items()}
    )
    assert unserved._MAY_BE_ONE.fullmatch(request.path)
    assert unserved.taken_for_another(request) == operation


def test_what_ministack_answers_well_is_left_alone() -> None:
    headers = {"authorization": "AWS4-HMAC-SHA256 Credential=a/b/c/lambda/aws4_request"}
    request = Request("GET", "/2015-03-31/functions/f", headers, b"", {})
    for status, body in (
        (404, b'{"message": "Function not found: arn:aws:lambda:x"}'),
        (200, b"Unsupported service: "),
    ):
        assert asyncio.run(unserved._by_name(request, status, {}, body)) == (status, {}, body)


def test_the_names_of_services_are_those_that_sign() -> None:
    assert "application-autoscaling" not in ministack_app.SERVICE_HANDLERS
