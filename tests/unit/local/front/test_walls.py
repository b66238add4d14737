"""Each service of the port x {foreign Host, foreign Origin, no credentials, preflight}, and the ways around."""

import json
from typing import Any

import botocore.session
import pytest
from ministack.app import SERVICE_HANDLERS

from local.errors import LocalCloudError
from local.front import app as front_app
from local.front.credentials import UNSIGNED
from local.front.hosts import Hosts, Named
from tests.unit.local.front.port import ELSEWHERE, HOST, ORIGIN, PRESIGNED, Answer, Port, Recorder, signed_for

SERVICES = sorted({*SERVICE_HANDLERS, "sagemaker", "sagemaker-runtime"})
TARGETS = {"states": "AWSStepFunctions.ListStateMachines", "sagemaker": "SageMaker.ListModels"}
FOREIGN_HOSTS = (
    "attacker.example:4566",
    "127.0.0.1.attacker.example",
    "localhost.attacker.example",
    "0.0.0.0:4566",
    "",
)
PREFLIGHT = {
    "Origin": ELSEWHERE,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,x-amz-target",
}

# Where MiniStack takes a service by its path or name, without anything that says who signed.
ENTRANCES = [
    ("POST", "/2015-03-31/functions", HOST),
    ("POST", "/2015-03-31/functions/f/invocations", HOST),
    ("POST", "/", "lambda.us-east-1.localhost:4566"),
    ("POST", "/", "dynamodb.localhost:4566"),
    ("GET", "/?Action=DeleteQueue&QueueUrl=q", HOST),
    ("POST", "/?Action=CreateUser&UserName=u", HOST),
    ("GET", "/", HOST),
    ("GET", "/some-bucket/key", HOST),
    ("PUT", "/some-bucket", HOST),
    ("GET", "/key", "some-bucket.s3.us-east-1.localhost:4566"),
    ("POST", "/v2/email/outbound-emails", HOST),
    ("PUT", "/v20180820/mrap/instances/m", HOST),
    ("POST", "/Execute", HOST),
    ("GET", "/iceberg/v1/config", HOST),
    ("GET", "/latest/meta-data/iam/security-credentials/", HOST),
    ("POST", "/service/GraniteServiceVersion20100801/operation/PutMetricData", HOST),
    ("POST", "/endpoints/e/invocations", HOST),
    ("POST", "/restapis", HOST),
    ("GET", "/v2/", HOST),
    ("GET", "/", "x.cloudfront.localhost:4566"),
    ("GET", "/", "x.alb.localhost:4566"),
    ("POST", "/", "no-id.execute-api.localhost:4566"),
    ("GET", "/health", HOST),
]


@pytest.fixture
def behind() -> Recorder:
    return Recorder()


@pytest.fixture
def port(behind: Recorder) -> Port:
    return Port(behind)


def call(service: str) -> dict[str, str]:
    """The headers of a call of a service."""
    return {**signed_for(service), "X-Amz-Target": TARGETS.get(service, f"{service}.Operation")}


def refused(answer: Answer, port: Port, behind: Recorder, status: int = 403) -> str:
    """What a refusal says: JSON with what to do, before anything is read, reaching nobody, readable by no page."""
    assert answer.status == status, answer
    assert answer.cors == {}
    assert not answer.read
    assert (port.served, behind.passed) == ([], [])
    message: str = json.loads(answer.body)["message"]
    return message


@pytest.mark.parametrize("service", SERVICES)
def test_a_call_of_the_machine_s_own_with_any_made_up_key_is_served(service: str, port: Port, behind: Recorder) -> None:
    answer = port.ask("POST", "/", call(service))
    assert answer.status == 200
    assert answer.cors == {}
    assert port.served == [service] if service in TARGETS else behind.passed == ["/"]


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    "host",
    ["attacker.example:4566", "127.0.0.1.attacker.example", "localhost.attacker.example:4566", "0.0.0.0:4566", ""],
)
def test_a_foreign_host_is_refused(service: str, host: str, port: Port, behind: Recorder) -> None:
    said = refused(port.ask("POST", "/", {**call(service), "Host": host}), port, behind)
    assert "--allow-host" in said


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    "page",
    [
        {"Origin": ELSEWHERE},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:3000"},
        {"Origin": "http://localhost:4566"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site"},
    ],
    ids=lambda page: " ".join(page.values()),
)
def test_a_page_of_another_origin_is_refused(service: str, page: dict[str, str], port: Port, behind: Recorder) -> None:
    refused(port.ask("POST", "/", {**call(service), **page}), port, behind)
    refused(port.ask("GET", f"/?{PRESIGNED}&Action=Publish", {**page}), port, behind)


@pytest.mark.parametrize("service", SERVICES)
def test_a_call_without_credentials_is_refused(service: str, port: Port, behind: Recorder) -> None:
    unsigned = {"X-Amz-Target": call(service)["X-Amz-Target"]}
    assert "AWS_ACCESS_KEY_ID=test" in refused(port.ask("POST", "/", unsigned), port, behind)
    at_its_name = {**unsigned, "Host": f"{service}.us-east-1.localhost:4566"}
    refused(port.ask("POST", "/", at_its_name), port, behind)


@pytest.mark.parametrize("service", SERVICES)
def test_a_preflight_is_refused(service: str, port: Port, behind: Recorder) -> None:
    assert "no CORS rule" in refused(port.ask("OPTIONS", "/", PREFLIGHT), port, behind)
    at_its_name = {**PREFLIGHT, "Host": f"{service}.us-east-1.localhost:4566"}
    refused(port.ask("OPTIONS", "/", at_its_name), port, behind)
    # A preflight that is made to look like a call is one still.
    refused(port.ask("OPTIONS", f"/?{PRESIGNED}", {**PREFLIGHT, **call(service)}), port, behind)


@pytest.mark.parametrize(("method", "url", "host"), ENTRANCES)
def test_no_entrance_of_a_service_is_open(method: str, url: str, host: str, port: Port, behind: Recorder) -> None:
    status = 401 if url == "/v2/" else 403
    refused(port.ask(method, url, {"Host": host}), port, behind, status)
    page = {"Host": host, "Origin": ELSEWHERE, **signed_for("lambda")}
    refused(port.ask(method, url, page), port, behind)
    refused(port.ask("OPTIONS", url, {**PREFLIGHT, "Host": host}), port, behind)


@pytest.mark.parametrize("path", ["/_ministack/reset", "/_ministack/config", "/_ministack/lambda-code/f"])
@pytest.mark.parametrize("host", [HOST, "bucket.localhost:4566", "abcd1234.execute-api.localhost:4566"])
def test_the_switches_of_ministack_are_nobody_s(path: str, host: str, port: Port, behind: Recorder) -> None:
    refused(port.ask("POST", path, {"Host": host, **signed_for("s3")}), port, behind)


def test_the_health_page_needs_no_credentials_but_its_own_name(port: Port, behind: Recorder) -> None:
    assert port.ask("GET", "/_headrace/health").status == 200
    refused(port.ask("GET", "/_headrace/health", {"Host": "attacker.example:4566"}), port, behind)
    refused(port.ask("GET", "/_headrace/health", {"Origin": ELSEWHERE}), port, behind)
    refused(port.ask("OPTIONS", "/_headrace/health", PREFLIGHT), port, behind)


def test_the_api_is_open_to_the_machine_itself(port: Port, behind: Recorder) -> None:
    assert port.ask("GET", "/v1/jobs").status == 200
    assert port.ask("POST", "/v1/uploads", {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}).status == 200
    assert port.ask("GET", "/v1/jobs", {"Sec-Fetch-Site": "none"}).status == 200
    assert behind.passed == [
        f"/_aws/execute-api/abcd1234/$default{path}" for path in ("/v1/jobs", "/v1/uploads", "/v1/jobs")
    ]


def test_the_api_is_behind_the_wall_of_names_too(port: Port, behind: Recorder) -> None:
    refused(port.ask("GET", "/v1/jobs", {"Host": "attacker.example:4566"}), port, behind)


def test_v1_of_a_bucket_at_its_own_name_is_an_object(port: Port, behind: Recorder) -> None:
    port.ask("GET", "/v1/model.bin", {"Host": "some-bucket.localhost:4566", **signed_for("s3")})
    assert behind.passed == ["/v1/model.bin"]


def test_a_caller_who_signs_for_a_service_reaches_it_below_v1(port: Port, behind: Recorder) -> None:
    port.ask("POST", "/v1/pipes/p", signed_for("pipes"))
    port.ask("GET", "/v1/jobs", signed_for("execute-api"))
    port.ask("GET", "/v1/jobs", {"Authorization": "Bearer pipes"})
    assert behind.passed[0] == "/v1/pipes/p"
    assert {path.rpartition("$default")[2] for path in behind.passed[1:]} == {"/v1/jobs"}


def test_a_page_that_may_call_the_api_reaches_nothing_else_by_what_it_names(port: Port, behind: Recorder) -> None:
    port.ask("POST", "/v1/jobs", {"Origin": ELSEWHERE, **call("states")})
    assert port.served == []
    assert {path.rpartition("$default")[2] for path in behind.passed} == {"/v1/jobs"}


def test_what_a_browser_shows_is_of_no_origin(port: Port) -> None:
    """An HTML file in a bucket would be of the port's own origin, and could sign whatever it likes."""
    shown = port.ask("GET", f"/some-bucket/page.html?{PRESIGNED}")
    policy = shown.headers["content-security-policy"]
    assert policy.startswith("sandbox ")
    assert "allow-same-origin" not in policy
    assert "content-security-policy" not in port.ask("GET", "/some-bucket/page.html", signed_for("s3")).headers


def test_a_body_over_the_bound_is_refused_before_it_is_read(port: Port, behind: Recorder) -> None:
    for path, headers, most in (
        ("/v1/uploads", {}, 10 * 1024**2),
        ("/", call("states"), 8 * 1024**2),
        ("/some-bucket/key", signed_for("s3"), 5 * 1024**3),
    ):
        answer = port.ask("POST", path, {**headers, "Content-Length": str(most + 1)})
        refused(answer, port, behind, 413)
        assert answer.headers["connection"] == "close"


def test_a_short_refused_body_leaves_the_connection_open(port: Port) -> None:
    assert "connection" not in port.ask("POST", "/", {"Content-Length": "100"}).headers


def test_a_refused_body_that_may_not_come_ends_the_connection(port: Port) -> None:
    for headers in ({"Content-Length": "100", "Expect": "100-continue"}, {"Transfer-Encoding": "chunked"}):
        assert port.ask("PUT", "/some-bucket/key", headers).headers["connection"] == "close"


def test_a_body_without_a_length_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    async def behind(_: Any, receive: Any, send: Any) -> None:
        read.append((await receive())["type"])
        await send({"type": "http.response.start", "status": 200, "headers": []})

    monkeypatch.setattr(front_app, "_MAX_API", 10)
    monkeypatch.setattr(front_app, "_MAX_OBJECT", 10)
    for path, body in (
        ("/v1/uploads", b"10 bytes.."),
        ("/v1/uploads", b"11 bytes..."),
        ("/some-bucket/key", b"11 bytes..."),
    ):
        headers = {"Transfer-Encoding": "chunked", **signed_for("s3")}
        Port(behind).ask("PUT", path, headers, body)
    assert read == ["http.request", "http.disconnect", "http.disconnect"]


def test_websockets_stand_before_the_same_walls(port: Port, behind: Recorder) -> None:
    api = "/_aws/execute-api/abcd1234/prod"
    for headers in ({"Host": "attacker.example:4566"}, {"Origin": ELSEWHERE}):
        assert [message["type"] for message in port.connect("/", {**signed_for("iot"), **headers})] == [
            "websocket.close"
        ]
    assert port.connect("/", {})[0]["type"] == "websocket.close"
    assert behind.passed == []
    port.connect(api, {})
    assert behind.passed == [api]


@pytest.mark.parametrize(
    ("host", "named"),
    [
        ("127.0.0.1", Named.PORT),
        ("127.0.0.1:4566", Named.PORT),
        ("LOCALHOST:9000", Named.PORT),
        ("[::1]:4566", Named.PORT),
        ("sync-localhost:4566", Named.PORT),
        ("bucket.s3.us-east-1.localhost:4566", Named.SERVICE),
        ("abcd1234.execute-api.localhost:4566", Named.SERVICE),
        ("my-machine.test:4566", Named.ALLOWED),
        ("a.wide.test", Named.ALLOWED),
        ("wide.test", None),
        ("a.my-machine.test", None),
        ("localhost.", None),
        ("localhost:4566:80", None),
        ("127.0.0.1@attacker.example", None),
        ("127.0.0.2:4566", None),
    ],
)
def test_the_names_of_the_port(host: str, named: Named | None) -> None:
    assert Hosts(["my-machine.test", "*.wide.test"]).named(host.encode()) is named


@pytest.mark.parametrize("name", ["my-machine.test:4566", "http://my-machine.test", "*", ""])
def test_an_allowed_host_that_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(LocalCloudError, match="--allow-host"):
        Hosts([name])


def test_an_allowed_name_has_the_port_s_own_origin(behind: Recorder) -> None:
    port = Port(behind, "my-machine.test")
    own = {"Host": "my-machine.test", "Origin": "https://my-machine.test"}
    assert port.ask("POST", "/", {**own, **signed_for("lambda")}).status == 200
    assert port.ask("POST", "/", {**own, "Origin": ELSEWHERE, **signed_for("lambda")}).status == 403


@pytest.mark.parametrize(
    ("method", "url", "headers"),
    [
        ("POST", "/", {"X-Amz-Target": "AWSCognitoIdentityProviderService.InitiateAuth"}),
        ("POST", "/", {"X-Amz-Target": "AWSCognitoIdentityService.GetId"}),
        ("GET", "/?Action=ConfirmSubscription&TopicArn=t&Token=x", {}),
        ("POST", "/oauth2/token", {}),
        ("GET", "/us-east-1_abc/.well-known/jwks.json", {}),
        ("GET", "/some-bucket/key?{presigned}", {}),
        ("GET", "/some-bucket/key?AWSAccessKeyId=made-up&Expires=1&Signature=0", {}),
        ("POST", "/v1/apis/x/graphql", {"X-Api-Key": "k", "Host": "x.appsync-api.us-east-1.localhost:4566"}),
    ],
)
def test_what_aws_takes_unsigned_or_by_other_credentials_is_taken(
    method: str, url: str, headers: dict[str, str], port: Port
) -> None:
    # The time of a signature stands in no test's name: every worker has to collect the same ones.
    made = url.replace("{presigned}", PRESIGNED)
    assert port.ask(method, made, headers).status == 200
    assert port.ask(method, made, {**headers, "Origin": ELSEWHERE}).status == 403


def test_the_operations_that_aws_takes_unsigned_are_those_of_botocore_s_models() -> None:
    for service in ("cognito-idp", "cognito-identity"):
        model = botocore.session.get_session().get_service_model(service)
        prefix = model.metadata["targetPrefix"]
        unsigned = {name for name in model.operation_names if model.operation_model(name).auth_type == "none"}
        listed = {target.decode().partition(".")[2] for target in UNSIGNED if target.decode().startswith(f"{prefix}.")}
        assert listed == unsigned


def test_a_link_that_is_followed_by_mistake_changes_nothing(port: Port, behind: Recorder) -> None:
    """A made-up presigned query of the query protocol, in a browser's address bar."""
    refused(port.ask("GET", f"/?Action=CreateUser&{PRESIGNED}", {"Sec-Fetch-Site": "none"}), port, behind)
