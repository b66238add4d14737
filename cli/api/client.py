"""The client: what commands ask the HTTP API, and its reasons where it refuses."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import urllib3

from cli.errors import CommandError, UsageError
from pipelines.documents import Json

Job = Mapping[str, Json]

LOCAL_API = "http://127.0.0.1:4566"


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model answered."""

    body: bytes
    content_type: str


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
        """Returns the API at a URL, or the local cloud's."""
        return cls(base_url or LOCAL_API)

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        """Returns the JSON that a GET is answered with. Raises CommandError with the API's own reason."""
        return self._call("GET", path, fields=dict(query or {}))

    def post(self, path: str, body: object) -> Json:
        """Returns the JSON that a POST is answered with. Raises CommandError with the API's own reason."""
        return self._call("POST", path, json=body)

    def delete(self, path: str) -> Json:
        """Returns the JSON that a DELETE is answered with. Raises CommandError with the API's own reason."""
        return self._call("DELETE", path)

    def ask(self, path: str, body: bytes, content_type: str | None, accept: str | None) -> "Prediction":
        """Returns what a model answers. Raises CommandError with its own reason, or the API's."""
        named = {"Content-Type": content_type, "Accept": accept}
        headers = {name: value for name, value in named.items() if value is not None}
        response = self._request("POST", path, body=body, headers=headers)
        if response.status != 200:
            self._document("POST", path, response)
            raise CommandError(f"POST {path}: answered {response.status}")
        return Prediction(response.data, response.headers.get("Content-Type", ""))

    def health(self) -> Mapping[str, Json]:
        """Returns the local cloud's health page."""
        health: Mapping[str, Json] = self.get("/_headrace/health")
        return health

    def job(self, job_id: str) -> Job:
        job: Job = self.get(f"/v1/jobs/{job_id}")
        return job

    def find(self, job_id: str) -> Job | None:
        """Returns a job, or None while there is none of that id."""
        response = self._request("GET", f"/v1/jobs/{job_id}")
        return None if response.status == 404 else self._document("GET", f"/v1/jobs/{job_id}", response)

    def latest_job_of(self, key: str) -> Job | None:
        """Returns the newest job of an uploaded object, or None while its event is still on the way."""
        jobs = self.get("/v1/jobs", {"key": key})["jobs"]
        return jobs[0] if jobs else None

    def download(self, url: str) -> bytes:
        """Returns the bytes behind a result's URL (a redirect to a presigned one)."""
        try:
            response = self.pool.request("GET", url, redirect=True, retries=urllib3.Retry(3))
        except urllib3.exceptions.HTTPError as error:
            raise CommandError(f"{url}: {error}") from error
        if response.status != 200:
            raise CommandError(f"{url}: answered {response.status}")
        return response.data

    def _call(self, method: str, path: str, **request: Any) -> Json:
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
    def _document(method: str, path: str, response: urllib3.BaseHTTPResponse) -> Json:
        try:
            document = json.loads(response.data)
        except ValueError as error:
            raise CommandError(f"{method} {path}: answered {response.status} and no JSON") from error
        if response.status >= 400:
            detail = document.get("detail") or document.get("title") or document.get("message")
            fields = "; ".join(f"{problem['field']}: {problem['message']}" for problem in document.get("errors", []))
            kind = UsageError if response.status in (400, 422) else CommandError
            raise kind(f"{method} {path}: {detail or response.status}" + (f" ({fields})" if fields else ""))
        return document
