"""A page of another origin in a real browser: it can use /v1 and presigned URLs, and nothing else of the port."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.unit.local.front.port import signed_for
from tests.walk.cloud import Cloud

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ELSEWHERE = "elsewhere.test"
"""A site of its own, which the browser is told to find on this machine."""

JSON = {"Content-Type": "application/json"}

_SECONDS = 60.0

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.xdist_group("cloud"),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; `apt-get install chromium` installs one"),
]

# Each attempt in turn, as a page's script makes it; what comes of them goes to the page's own server.
_PAGE = """<!DOCTYPE html><meta charset="utf-8"><title>elsewhere</title><script>
const attempts = ATTEMPTS;
const made = {
  async fetch({url, init}) {
    const response = await fetch(url, init);
    return {status: response.status, type: response.type, headers: [...response.headers.keys()],
            text: await response.text()};
  },
  image({url}) {
    return new Promise((resolve, reject) => {
      const image = new Image();
      image.onload = () => resolve({shown: image.naturalWidth});
      image.onerror = () => reject(new Error("not shown"));
      image.src = url;
    });
  },
  frame({url}) {
    return new Promise(resolve => {
      const frame = document.createElement("iframe");
      addEventListener("message", event => resolve({origin: event.origin, ...event.data}), {once: true});
      frame.src = url;
      document.documentElement.append(frame);
    });
  },
  form({url, fields, enctype}) {
    return new Promise(resolve => {
      const frame = Object.assign(document.createElement("iframe"), {name: "answer"});
      const form = document.createElement("form");
      Object.assign(form, {action: url, method: "POST", enctype, target: "answer"});
      for (const [name, value] of fields) {
        form.append(Object.assign(document.createElement("input"), {type: "hidden", name, value}));
      }
      document.documentElement.append(frame, form);
      frame.onload = () => { frame.remove(); resolve({sent: true}); };
      form.submit();
    });
  },
};
(async () => {
  const outcomes = {};
  for (const attempt of attempts) {
    try { outcomes[attempt.name] = await made[attempt.by](attempt); }
    catch (error) { outcomes[attempt.name] = {blocked: String(error)}; }
  }
  await fetch("/outcomes", {method: "POST", body: JSON.stringify(outcomes)});
})();
</script>"""


@dataclass(frozen=True, slots=True)
class Attempt:
    """Something a page tries; `by` is the way, `options` what this way takes."""

    name: str
    by: str
    url: str
    options: Mapping[str, Any]

    def as_json(self) -> Mapping[str, Any]:
        return {"name": self.name, "by": self.by, "url": self.url, **self.options}


def fetched(name: str, url: str, **init: Any) -> Attempt:
    return Attempt(name, "fetch", url, {"init": init})


@contextmanager
def page(attempts: Sequence[Attempt]) -> Iterator[tuple[str, Any]]:
    """The URL of a page that makes these attempts, and what waits for their outcomes."""
    outcomes: dict[str, Any] = {}
    told = threading.Event()
    document = _PAGE.replace("ATTEMPTS", json.dumps([attempt.as_json() for attempt in attempts])).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(document)

        def do_POST(self) -> None:
            outcomes.update(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self._send(b"")
            told.set()

        def _send(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    def wait() -> Mapping[str, Any]:
        assert told.wait(_SECONDS), "the page told nothing"
        return outcomes

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://{ELSEWHERE}:{server.server_port}/", wait
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def chromium(profile: Path, *arguments: str) -> list[str]:
    """The command of a browser that knows nothing of anybody, and asks nothing of the network."""
    assert CHROMIUM is not None
    quiet = ("quic", "background-networking", "component-update", "sync", "gpu", "default-apps", "extensions")
    return [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--no-first-run",
        *(f"--disable-{name}" for name in quiet),
        "--disable-dev-shm-usage",
        f"--host-resolver-rules=MAP {ELSEWHERE} 127.0.0.1, MAP rebound.test 127.0.0.1",
        f"--user-data-dir={profile}",
        *arguments,
    ]


def outcomes_of(profile: Path, attempts: Sequence[Attempt]) -> Mapping[str, Any]:
    with page(attempts) as (url, wait):
        browser = subprocess.Popen(
            chromium(profile, "--remote-debugging-port=0", url), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            outcomes: Mapping[str, Any] = wait()
        finally:
            browser.terminate()
            browser.wait()
    return outcomes


# One pixel. https://www.w3.org/TR/png/
_PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d4944415478da63fccff0bf1e000683027f94ad2a8f0000000049454e44ae426082"
)

# A page that lies in a bucket and tries what its own origin would let it.
_STORED = """<script>
(async () => {
  let made;
  try { made = (await fetch("/", {method: "POST", headers: HEADERS, body: "{}"})).status; }
  catch (error) { made = "blocked"; }
  parent.postMessage({made}, "*");
})();
</script>"""

_FUNCTION = json.dumps({"FunctionName": "made-by-a-page", "Role": "r", "Runtime": "python3.11", "Handler": "a.b"})


def presigned(cloud: Cloud, operation: str, key: str) -> str:
    s3 = cloud.clients.client("s3")
    url: str = s3.generate_presigned_url(operation, Params={"Bucket": cloud.uploads, "Key": key})
    return url


@pytest.fixture(scope="module")
def outcomes(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    s3 = cloud.clients.client("s3")
    s3.create_bucket(Bucket="without-rules")
    cloud.put("elsewhere/picture.png", _PICTURE)
    calls = {**signed_for("states"), "X-Amz-Target": "AWSStepFunctions.ListStateMachines"}
    stored = _STORED.replace("HEADERS", json.dumps(calls)).encode()
    s3.put_object(Bucket=cloud.uploads, Key="elsewhere/page.html", Body=stored, ContentType="text/html")
    at = cloud.endpoint
    plain = {"method": "POST", "mode": "no-cors"}
    fields = [("key", "by-a-form"), ("policy", "e30="), ("x-amz-signature", "0"), ("file", "bytes")]
    attempts = [
        fetched("read the API", f"{at}/v1/jobs"),
        fetched("call the API", f"{at}/v1/uploads", method="POST", headers=JSON, body="{}"),
        fetched("put", presigned(cloud, "put_object", "elsewhere/put"), method="PUT", body="a page's"),
        Attempt("show a presigned picture", "image", presigned(cloud, "get_object", "elsewhere/picture.png"), {}),
        fetched("read a presigned URL", presigned(cloud, "get_object", "elsewhere/picture.png")),
        Attempt("show a stored page", "frame", presigned(cloud, "get_object", "elsewhere/page.html"), {}),
        fetched("read the health page", f"{at}/_headrace/health"),
        fetched("call a service", f"{at}/", method="POST", headers=calls, body="{}"),
        fetched("call a service through the API", f"{at}/v1/jobs", method="POST", headers=calls, body="{}"),
        fetched("call a service through a bucket", f"{at}/{cloud.uploads}", method="POST", headers=calls, body="{}"),
        fetched("list the buckets", f"{at}/", headers=signed_for("s3")),
        fetched("make a function", f"{at}/2015-03-31/functions", **plain, body=_FUNCTION),
        fetched("make a bucket", f"{at}/made-by-a-page", method="PUT", body=""),
        Attempt(
            "make a queue",
            "form",
            f"{at}/",
            {"fields": [("Action", "CreateQueue"), ("QueueName", "made-by-a-page")],
             "enctype": "application/x-www-form-urlencoded"},
        ),
        Attempt("put by a form", "form", f"{at}/without-rules", {"fields": fields, "enctype": "multipart/form-data"}),
    ]  # fmt: skip
    return outcomes_of(tmp_path_factory.mktemp("chromium"), attempts)


def test_a_page_uses_the_api_by_cors_origins(outcomes: Mapping[str, Any]) -> None:
    assert outcomes["read the API"]["status"] == 200
    assert "jobs" in json.loads(outcomes["read the API"]["text"])
    assert outcomes["call the API"]["status"] == 422, "the API's own reason, which the page can read"


def test_a_page_uses_presigned_urls(outcomes: Mapping[str, Any], cloud: Cloud) -> None:
    put = outcomes["put"]
    assert (put["status"], put["type"]) == (200, "cors")
    assert "etag" in put["headers"]
    stored = cloud.clients.client("s3").get_object(Bucket=cloud.uploads, Key="elsewhere/put")
    assert stored["Body"].read() == b"a page's"
    assert outcomes["show a presigned picture"] == {"shown": 1}
    assert "blocked" in outcomes["read a presigned URL"], "the bucket's rules say nothing of GET"


@pytest.mark.parametrize(
    "attempt",
    ["read the health page", "call a service", "call a service through a bucket", "list the buckets", "make a bucket"],
)
def test_a_page_reads_nothing_else(attempt: str, outcomes: Mapping[str, Any]) -> None:
    assert "blocked" in outcomes[attempt]


def test_a_header_leads_from_the_api_nowhere_else(outcomes: Mapping[str, Any]) -> None:
    assert "stateMachines" not in json.dumps(outcomes["call a service through the API"])


def test_a_page_changes_nothing_else(outcomes: Mapping[str, Any], cloud: Cloud) -> None:
    assert outcomes["make a function"]["type"] == "opaque", "it was sent"
    assert outcomes["make a queue"] == outcomes["put by a form"] == {"sent": True}
    functions = cloud.clients.client("lambda").list_functions()["Functions"]
    assert "made-by-a-page" not in [function["FunctionName"] for function in functions]
    queues = cloud.clients.client("sqs").list_queues(QueueNamePrefix="made-by-a-page")
    assert not queues.get("QueueUrls")
    s3 = cloud.clients.client("s3")
    assert "made-by-a-page" not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    assert "Contents" not in s3.list_objects_v2(Bucket="without-rules")


def test_a_page_that_lies_in_a_bucket_is_of_no_origin(outcomes: Mapping[str, Any]) -> None:
    assert outcomes["show a stored page"] == {"origin": "null", "made": "blocked"}


def test_a_name_that_is_led_here_is_refused(cloud: Cloud, tmp_path: Path) -> None:
    port = cloud.endpoint.rpartition(":")[2]
    command = chromium(tmp_path, "--dump-dom", f"http://rebound.test:{port}/v1/jobs")
    shown = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=True).stdout
    assert "is not this port" in shown
