"""The HTTP API as a client sees it; `status`, `jobs`, `train`, `faces` and `demo` speak through it."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import urllib3

from cli.errors import CommandError, UsageError

Job = Mapping[str, Any]

LOCAL_API = "http://127.0.0.1:4566"
FINISHED = ("SUCCESS", "FAILURE")
_LONGEST_PAUSE = 5.0


@dataclass(frozen=True, slots=True)
class Api:
    """A Headrace API at `base_url` (`http://127.0.0.1:4566`)."""

    base_url: str
    pool: urllib3.PoolManager = field(
        default_factory=lambda: urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=5, read=60), retries=urllib3.Retry(2, redirect=False)
        )
    )

    @classmethod
    def at(cls, base_url: str | None) -> "Api":
        """The API at a URL, or the local cloud's."""
        return cls(base_url or LOCAL_API)

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """The JSON answer of a GET. Raises CommandError with the API's own reason."""
        return self._call("GET", path, fields=dict(query or {}))

    def post(self, path: str, body: object) -> Any:
        """The JSON answer of a POST. Raises CommandError with the API's own reason."""
        return self._call("POST", path, json=body)

    def health(self) -> Mapping[str, Any]:
        """The local cloud's health page."""
        answer: Mapping[str, Any] = self.get("/_headrace/health")
        return answer

    def job(self, job_id: str) -> Job:
        answer: Job = self.get(f"/v1/jobs/{job_id}")
        return answer

    def find(self, job_id: str) -> Job | None:
        """A job, or None while there is none of that id."""
        answer = self._request("GET", f"/v1/jobs/{job_id}")
        return None if answer.status == 404 else self._document("GET", f"/v1/jobs/{job_id}", answer)

    def latest_job_of(self, key: str) -> Job | None:
        """The newest job of an uploaded object, or None while its event is still on the way."""
        jobs = self.get("/v1/jobs", {"key": key})["jobs"]
        return jobs[0] if jobs else None

    def download(self, url: str) -> bytes:
        """The bytes behind a result's URL (a redirect to a presigned one)."""
        try:
            answer = self.pool.request("GET", url, redirect=True, retries=urllib3.Retry(3))
        except urllib3.exceptions.HTTPError as error:
            raise CommandError(f"{url}: {error}") from error
        if answer.status != 200:
            raise CommandError(f"{url}: answered {answer.status}")
        return answer.data

    def _call(self, method: str, path: str, **request: Any) -> Any:
        return self._document(method, path, self._request(method, path, **request))

    def _request(self, method: str, path: str, **request: Any) -> urllib3.BaseHTTPResponse:
        try:
            return self.pool.request(method, self.base_url.rstrip("/") + path, **request)
        except urllib3.exceptions.HTTPError as error:
            raise CommandError(
                f"nothing answers at {self.base_url}; start the local cloud with `headrace up`, "
                "or name another API with --api-url"
            ) from error

    @staticmethod
    def _document(method: str, path: str, answer: urllib3.BaseHTTPResponse) -> Any:
        try:
            document = json.loads(answer.data)
        except ValueError as error:
            raise CommandError(f"{method} {path}: answered {answer.status} and no JSON") from error
        if answer.status >= 400:
            detail = document.get("detail") or document.get("title") or document.get("message")
            fields = "; ".join(f"{one['field']}: {one['message']}" for one in document.get("errors", []))
            kind = UsageError if answer.status in (400, 422) else CommandError
            raise kind(f"{method} {path}: {detail or answer.status}" + (f" ({fields})" if fields else ""))
        return document


def follow(api: Api, fetch: Callable[[], Job | None], timeout: float) -> Iterator[Job]:
    """A job again and again, each time it may have moved, until it has finished.

    Raises CommandError when it has not finished after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    pause = 0.1
    while True:
        job = fetch()
        if job is not None:
            yield job
            if job["status"] in FINISHED:
                return
        if time.monotonic() > deadline:
            raise CommandError(f"not finished after {timeout:.0f} s; see `headrace jobs`")
        time.sleep(pause)
        pause = min(pause * 1.3, 1.0 if api.base_url.startswith("http://127.0.0.1") else _LONGEST_PAUSE)
