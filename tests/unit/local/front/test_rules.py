"""What CORS rules let a page of another origin do, with MiniStack itself behind the walls."""

import json
from collections.abc import Iterator
from uuid import uuid4

import pytest
from ministack import app as ministack_app
from ministack.services import apigateway, lambda_svc, s3
from ministack.services.cloudformation import provisioners

from local.ministack import cors
from tests.unit.local.front.port import ELSEWHERE, HOST, ORIGIN, PRESIGNED, Answer, Port, presigned, signed_for

RULES = """<CORSConfiguration><CORSRule><AllowedOrigin>https://elsewhere.example</AllowedOrigin>
<AllowedMethod>PUT</AllowedMethod><AllowedMethod>POST</AllowedMethod><AllowedHeader>*</AllowedHeader>
<ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>3600</MaxAgeSeconds></CORSRule></CORSConfiguration>"""
PAGE = {"Origin": ELSEWHERE, "Sec-Fetch-Site": "cross-site"}
PICTURE = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}


@pytest.fixture
def bucket() -> Iterator[str]:
    """A bucket that the page at ELSEWHERE may put into, with an object in it."""
    name = f"walls-{uuid4().hex}"
    port = Port(ministack_app.app)
    signed = signed_for("s3")
    assert port.ask("PUT", f"/{name}", signed).status == 200
    assert port.ask("PUT", f"/{name}?cors", signed, RULES.encode()).status == 200
    assert port.ask("PUT", f"/{name}/key", signed, b"bytes").status == 200
    yield name
    s3._buckets.pop(name, None)
    s3._bucket_cors.pop(name, None)


@pytest.fixture
def closed_bucket() -> Iterator[str]:
    """A bucket without CORS rules."""
    name = f"walls-{uuid4().hex}"
    assert Port(ministack_app.app).ask("PUT", f"/{name}", signed_for("s3")).status == 200
    yield name
    s3._buckets.pop(name, None)


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Port:
    for name in ("_cors_response_headers", "_cors_preflight_response"):
        monkeypatch.setattr(apigateway, name, getattr(apigateway, name))
    monkeypatch.setitem(
        provisioners._RESOURCE_HANDLERS,
        "AWS::ApiGatewayV2::Api",
        dict(provisioners._RESOURCE_HANDLERS["AWS::ApiGatewayV2::Api"]),
    )
    cors.install()
    return Port(ministack_app.app)


def preflight(port: Port, url: str, method: str, **headers: str) -> Answer:
    asked = {"Origin": ELSEWHERE, "Access-Control-Request-Method": method, **headers}
    return port.ask("OPTIONS", url, asked)


def test_what_ministack_grants_every_page_does_not_go_out(port: Port, bucket: str) -> None:
    for service, method, url in (
        ("s3", "GET", f"/{bucket}/key"),
        ("sqs", "POST", "/"),
        ("lambda", "GET", "/2015-03-31/functions/"),
    ):
        assert port.ask(method, url, signed_for(service)).cors == {}
    at_its_name = {**signed_for("s3"), "Host": f"{bucket}.s3.us-east-1.localhost:4566"}
    answer = port.ask("GET", "/key", at_its_name)
    assert (answer.status, answer.body, answer.cors) == (200, b"bytes", {})


def test_a_preflight_is_answered_by_the_bucket_s_rules(port: Port, bucket: str) -> None:
    granted = preflight(port, f"/{bucket}/new", "PUT", **{"Access-Control-Request-Headers": "content-type"})
    assert granted.status == 200
    assert granted.cors == {
        "access-control-allow-origin": ELSEWHERE,
        "access-control-allow-credentials": "true",
        "access-control-allow-methods": "PUT, POST",
        "access-control-allow-headers": "content-type",
        "access-control-expose-headers": "ETag",
        "access-control-max-age": "3600",
    }
    at_its_name = port.ask(
        "OPTIONS",
        "/new",
        {"Host": f"{bucket}.localhost:4566", "Origin": ELSEWHERE, "Access-Control-Request-Method": "PUT"},
    )
    assert at_its_name.status == 200
    for refusal in (
        preflight(port, f"/{bucket}/new", "DELETE"),
        preflight(port, f"/{bucket}/new", "PUT", Origin="https://other.example"),
    ):
        assert (refusal.status, refusal.cors) == (403, {})
        assert b"<Code>AccessForbidden</Code>" in refusal.body


def test_a_bucket_without_rules_grants_no_preflight(port: Port, closed_bucket: str) -> None:
    refusal = preflight(port, f"/{closed_bucket}/new?{PRESIGNED}", "PUT")
    assert (refusal.status, refusal.cors) == (403, {})
    assert b"CORS is not enabled for this bucket" in refusal.body


def test_a_page_uses_a_presigned_url(port: Port, bucket: str) -> None:
    put = port.ask("PUT", presigned("PUT", f"/{bucket}/new"), PAGE, b"of a page")
    assert put.status == 200
    assert put.cors["access-control-allow-origin"] == ELSEWHERE
    assert put.cors["access-control-expose-headers"] == "ETag"
    shown = port.ask("GET", presigned("GET", f"/{bucket}/new"), PICTURE)
    assert (shown.status, shown.body, shown.cors) == (200, b"of a page", {})


def test_a_page_reads_a_presigned_url_only_by_a_rule(port: Port, closed_bucket: str) -> None:
    port.ask("PUT", f"/{closed_bucket}/key", signed_for("s3"), b"secret")
    answer = port.ask("GET", presigned("GET", f"/{closed_bucket}/key"), PAGE)
    assert (answer.status, answer.cors) == (200, {})


def test_a_page_that_signs_for_itself_needs_a_rule(port: Port, bucket: str, closed_bucket: str) -> None:
    signed = {**PAGE, **signed_for("s3")}
    assert port.ask("PUT", f"/{bucket}/new", signed, b"1").status == 200
    assert port.ask("GET", f"/{bucket}/key", signed).status == 403
    assert port.ask("PUT", f"/{closed_bucket}/new", signed, b"1").status == 403
    assert port.ask("PUT", f"/{bucket}/new", PAGE, b"1").status == 403


def test_a_post_that_needs_no_preflight_needs_a_rule(port: Port, bucket: str, closed_bucket: str) -> None:
    """A page can make a presigned URL up (the key is `test`), and send a POST of plain text to it unasked."""
    plain = {**PAGE, "Content-Type": "text/plain"}
    url = presigned("POST", f"/{bucket}/key?uploads")
    assert port.ask("POST", presigned("POST", f"/{closed_bucket}/key?uploads"), plain).status == 403
    assert port.ask("POST", url, {**plain, "Origin": "https://other.example"}).status == 403
    assert port.ask("POST", url, plain).status == 200


@pytest.mark.parametrize(
    ("method", "url"), [("PUT", "?cors"), ("PUT", "?policy"), ("PUT", ""), ("POST", "?delete"), ("DELETE", "")]
)
@pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data; boundary=b"])
def test_a_page_changes_objects_and_not_the_bucket(
    method: str, url: str, content_type: str, port: Port, bucket: str
) -> None:
    """Else it could give itself the rules that it lacks."""
    asked = {**PAGE, "Content-Type": content_type}
    assert port.ask(method, presigned(method, f"/{bucket}{url}"), asked, b"<x/>").status == 403
    assert port.ask(method, f"/{bucket}{url}", {**asked, **signed_for("s3")}, b"<x/>").status == 403


def test_a_page_puts_bytes_of_its_own(port: Port, bucket: str, closed_bucket: str) -> None:
    """Else it could copy what it may not read to where it may."""
    copy = {**PAGE, "X-Amz-Copy-Source": f"/{closed_bucket}/key"}
    assert port.ask("PUT", presigned("PUT", f"/{bucket}/new"), copy).status == 403
    assert port.ask("PUT", f"/{bucket}/new", {**copy, **signed_for("s3")}).status == 403


@pytest.mark.parametrize(
    ("method", "url", "headers"),
    [
        ("POST", "/{bucket}", {"X-Amz-Target": "AWSStepFunctions.StartExecution", **signed_for("states")}),
        ("PUT", "/{bucket}", {"X-Amz-Target": "DynamoDB_20120810.PutItem", **signed_for("dynamodb")}),
        ("POST", "/{bucket}", signed_for("lambda")),
        ("POST", "/{bucket}?" + PRESIGNED, {"Content-Type": "application/x-www-form-urlencoded"}),
        ("GET", "/{bucket}?Action=CreateUser&" + PRESIGNED, {}),
        ("POST", "/v2/email/outbound-emails?" + PRESIGNED, {"Host": "{bucket}.localhost:4566"}),
        ("PUT", "/v20180820/mrap/instances/m?" + PRESIGNED, {"Host": "{bucket}.localhost:4566"}),
        ("POST", "/Execute?" + PRESIGNED, {"Host": "{bucket}.localhost:4566"}),
        ("PUT", "/iceberg/v1/namespaces?" + PRESIGNED, {"Host": "{bucket}.localhost:4566"}),
        ("POST", "/login?" + PRESIGNED, {"Host": "{bucket}.localhost:4566"}),
    ],
)
def test_a_bucket_s_rules_open_no_other_service(
    method: str, url: str, headers: dict[str, str], port: Port, bucket: str
) -> None:
    sent = {name: value.replace("{bucket}", bucket) for name, value in {**PAGE, **headers}.items()}
    answer = port.ask(method, url.replace("{bucket}", bucket), sent, b"Action=CreateUser&UserName=u")
    assert (answer.status, answer.read, port.served) == (403, False, [])


def test_what_a_page_may_ask_of_a_bucket_is_asked_of_no_service_of_ours(port: Port, bucket: str) -> None:
    """MiniStack knows nothing of SageMaker, and takes this for S3's."""
    named = {**PAGE, **signed_for("s3"), "X-Amz-Target": "SageMaker.CreateTrainingJob"}
    port.ask("PUT", f"/{bucket}/new", named, b"{}")
    assert port.served == []


def form(*fields: str) -> tuple[dict[str, str], bytes]:
    """An upload as a browser's form sends it, with these fields before the file."""
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in (field.split("=", 1) for field in ("key=form", *fields))
    ]
    file = '--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nof a form\r\n--b--\r\n'
    return {"Content-Type": "multipart/form-data; boundary=b"}, ("".join(parts) + file).encode()


def test_a_form_needs_a_policy_before_its_file(port: Port, bucket: str) -> None:
    headers, body = form()
    assert port.ask("POST", f"/{bucket}", headers, body).status == 403
    headers, body = form("policy=e30=")
    assert port.ask("POST", f"/{bucket}", headers, body).status == 403
    assert port.ask("GET", f"/{bucket}/form", signed_for("s3")).status == 404


def test_a_signed_form_is_checked_by_its_policy(port: Port, bucket: str) -> None:
    headers, body = form("policy=e30=", "x-amz-signature=0")
    answer = port.ask("POST", f"/{bucket}", {**headers, **PAGE}, body)
    assert answer.status == 400, "S3's own check of the fields"
    assert b"<Error>" in answer.body


def test_a_form_of_another_page_needs_a_rule_of_the_bucket(port: Port, closed_bucket: str) -> None:
    headers, body = form("policy=e30=", "x-amz-signature=0")
    answer = port.ask("POST", f"/{closed_bucket}", {**headers, **PAGE}, body)
    assert (answer.status, answer.read) == (403, False)


def http_api(**rules: object) -> str:
    """The id of an HTTP API that a template makes."""
    create = provisioners._RESOURCE_HANDLERS["AWS::ApiGatewayV2::Api"]["create"]
    api: str = create("Api", {"Name": "walls", "CorsConfiguration": rules}, "stack")[0]
    return api


@pytest.mark.parametrize(
    ("origins", "allowed"),
    [
        (["*"], "*"),
        ([ELSEWHERE], ELSEWHERE),
        (["http://a.example", "https://*"], ELSEWHERE),
        (["http://*"], None),
        (["https://other.example"], None),
    ],
)
def test_an_api_s_preflight_is_answered_by_its_template(port: Port, origins: list[str], allowed: str | None) -> None:
    api = http_api(AllowOrigins=origins, AllowMethods=["POST"], AllowHeaders=["*"], MaxAge="60")
    answer = preflight(port, f"/_aws/execute-api/{api}/$default/v1/jobs", "POST")
    if allowed is None:
        assert (answer.status, answer.cors) == (403, {})
        return
    assert answer.status == 204
    assert answer.cors == {
        "access-control-allow-origin": allowed,
        "access-control-allow-methods": "POST",
        "access-control-allow-headers": "*",
        "access-control-max-age": "60",
    }


@pytest.mark.usefixtures("port")
def test_the_stack_s_api_lets_in_the_pages_of_its_rules() -> None:
    v1 = Port(ministack_app.app, api=http_api(AllowOrigins=[ELSEWHERE]))
    assert preflight(v1, "/v1/jobs", "POST").status == 204
    assert v1.ask("POST", "/v1/jobs", PAGE).status == 404, "the API itself, which has no routes"
    assert v1.ask("POST", "/v1/jobs", {**PAGE, "Origin": "https://other.example"}).status == 403
    assert v1.ask("POST", "/v1/jobs", {**PAGE, "Origin": "null"}).status == 403
    assert v1.ask("GET", "/v1/jobs", PICTURE).status == 403


@pytest.mark.usefixtures("port")
def test_an_api_for_every_page_is_for_every_page() -> None:
    v1 = Port(ministack_app.app, api=http_api(AllowOrigins=["*"]))
    for page in (PAGE, PICTURE, {"Origin": "null"}):
        assert v1.ask("GET", "/v1/jobs", page).status == 404


def test_an_api_s_rules_change_with_its_template(port: Port) -> None:
    handlers = provisioners._RESOURCE_HANDLERS["AWS::ApiGatewayV2::Api"]
    before = {"Name": "walls", "CorsConfiguration": {"AllowOrigins": ["*"]}}
    api = handlers["create"]("Api", before, "stack")[0]
    handlers["update"](
        api, before, {"Name": "walls", "CorsConfiguration": {"AllowOrigins": [ELSEWHERE]}}, "stack", "Api"
    )
    described = json.loads(port.ask("GET", f"/v2/apis/{api}", signed_for("apigateway")).body)
    assert described["corsConfiguration"] == {"allowOrigins": [ELSEWHERE]}


def test_an_api_is_served_at_its_own_name(port: Port) -> None:
    api = http_api(AllowOrigins=[ELSEWHERE])
    host = {"Host": f"{api}.execute-api.localhost:4566"}
    assert port.ask("GET", "/v1/jobs", host).status == 404
    assert port.ask("GET", "/v1/jobs", {**host, **PAGE}).status == 404
    assert port.ask("GET", "/v1/jobs", {**host, "Origin": ORIGIN}).status == 403


@pytest.mark.usefixtures("port")
def test_an_api_that_asks_for_signatures_gets_them() -> None:
    api = http_api(AllowOrigins=[ELSEWHERE])
    v1 = Port(ministack_app.app, api=api)
    for route, authorization in (("GET /v1/jobs", "AWS_IAM"), ("GET /v1/open", "NONE")):
        body = json.dumps({"routeKey": route, "authorizationType": authorization}).encode()
        assert v1.ask("POST", f"/v2/apis/{api}/routes", signed_for("apigateway"), body).status == 201
    assert "AWS_ACCESS_KEY_ID" in v1.ask("GET", "/v1/jobs").body.decode()
    assert v1.ask("GET", f"/_aws/execute-api/{api}/$default/v1/jobs").status == 403
    assert v1.ask("GET", "/v1/open").status == v1.ask("GET", "/v1/jobs", signed_for("execute-api")).status != 403
    assert preflight(v1, "/v1/jobs", "GET").status == 204


def test_an_api_that_is_not_there_lets_nobody_in(port: Port) -> None:
    host = {"Host": "00000000.execute-api.localhost:4566"}
    assert port.ask("POST", "/", {**host, **PAGE, "X-Amz-Target": "DynamoDB_20120810.ListTables"}).status == 403
    assert port.ask("POST", "/v2/email/outbound-emails", {**host, **PAGE}).status == 403


@pytest.fixture
def function_url() -> Iterator[str]:
    """The path of a function URL without credentials whose Cors names ELSEWHERE; there is no function behind it."""
    url_id = uuid4().hex
    lambda_svc._function_urls["walls"] = {
        "FunctionUrl": f"https://{url_id}.lambda-url.us-east-1.on.aws/",
        "AuthType": "NONE",
        "Cors": {"AllowOrigins": [ELSEWHERE]},
    }
    yield f"/_aws/lambda-url/{url_id}/"
    lambda_svc._function_urls.pop("walls", None)


def test_a_function_url_has_its_own_rules(port: Port, function_url: str) -> None:
    no_function = 404
    assert port.ask("GET", function_url).status == no_function, "AuthType NONE asks for no credentials"
    assert port.ask("POST", function_url, PAGE).status == no_function
    assert port.ask("POST", function_url, {"Origin": "https://other.example"}).status == 403
    assert preflight(port, function_url, "POST").cors["access-control-allow-origin"] == ELSEWHERE


def test_a_function_url_asks_for_credentials_where_it_says_so(port: Port, function_url: str) -> None:
    lambda_svc._function_urls["walls"]["AuthType"] = "AWS_IAM"
    assert port.ask("GET", function_url).status == 403
    assert port.ask("GET", function_url, signed_for("lambda")).status == 404


def test_the_port_itself_is_its_own_page(port: Port, bucket: str) -> None:
    own = {"Host": HOST, "Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}
    assert port.ask("PUT", f"/{bucket}/mine", {**own, **signed_for("s3")}, b"1").status == 200
    assert port.ask("PUT", f"/{bucket}/mine", own, b"1").status == 403
