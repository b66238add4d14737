"""The work of a transform job: serving processes, and the requests that its objects become."""

import io
import json
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from local.documents import Document, Json
from local.sagemaker.jobs import inputs
from local.sagemaker.jobs.job import Job, JobKind, Outcome, Status
from local.sagemaker.jobs.transform import filters
from local.sagemaker.jobs.transform.filters import DataProcessing
from local.sagemaker.jobs.transform.records import Batching, Payload
from local.sagemaker.machine import events, fetching, storage
from local.sagemaker.machine.fetching import Fetched
from local.sagemaker.machine.logs import LogStream
from local.sagemaker.machine.machine import Machine
from local.sagemaker.resources import models
from local.sagemaker.serving import image
from local.sagemaker.serving.http import NoAnswer
from local.sagemaker.serving.server import Purpose, Server
from local.sagemaker.wire.errors import ValidationException, WorkFailed
from local.store import now

LOG_GROUP = "/aws/sagemaker/TransformJobs"
_DEFAULT_MEGABYTES, _MOST_MEGABYTES = 6, 100
_DEFAULT_SECONDS = 600.0
_PARAMETER_SECONDS = 2.0
_MEGABYTE = 1 << 20
_CHUNK = 1 << 20
_MAX_SAID = 1000


class AlgorithmFailed(WorkFailed):
    """The container is at fault."""


# What is refused.


def _check(machine: Machine, request: Document) -> None:
    models.served(machine, request["ModelName"])
    source = request["TransformInput"]["DataSource"]["S3DataSource"]
    if source["S3DataType"] not in ("S3Prefix", "ManifestFile"):
        raise inputs.refuse(f"S3DataType {source['S3DataType']} of a transform job")
    inputs.check_source(source, "TransformInput")
    if request["TransformInput"].get("SplitType") == "TFRecord":
        raise inputs.refuse("SplitType TFRecord")
    if "DataCaptureConfig" in request:
        raise inputs.refuse("DataCaptureConfig of a transform job")
    storage.split(request["TransformOutput"]["S3OutputPath"])
    megabytes, concurrent = request.get("MaxPayloadInMB", 0), request.get("MaxConcurrentTransforms", 1)
    if megabytes * max(1, concurrent) > _MOST_MEGABYTES:
        raise ValidationException(
            f"MaxPayloadInMB ({megabytes}) times MaxConcurrentTransforms ({concurrent}) cannot exceed 100 MB."
        )
    filters.of(request)


# The work, in the job's thread.


@dataclass(frozen=True, slots=True)
class _Plan:
    """One job, and how its requests are made."""

    job: Job
    document: Document
    batching: Batching
    processing: DataProcessing
    concurrent: int
    """Requests at once, per instance."""
    log: LogStream
    """AWS's data-log: what became of each object."""

    def headers(self) -> dict[str, str]:
        source, target = self.document["TransformInput"], self.document["TransformOutput"]
        fields = {"Content-Type": source.get("ContentType", ""), "Accept": target.get("Accept", "")}
        return {name: value for name, value in fields.items() if value}

    @property
    def ending(self) -> bytes:
        return b"\n" if self.document["TransformOutput"].get("AssembleWith") == "Line" else b""


def _work(job: Job) -> Outcome:
    machine, document = job.machine, job.document()
    source = document["TransformInput"]["DataSource"]["S3DataSource"]
    data = job.folder / "data"
    objects = inputs.objects(machine, source, data)
    log = machine.shipper.open(LOG_GROUP, f"{job.name}/algo-1-{int(now())}/data-log", job.folder / "data.log")
    try:
        with _servers(job, document) as servers:
            if job.stop_asked.is_set():
                return Outcome(Status.STOPPED)
            job.update({"TransformStartTime": now()})
            return _transform_all(_planned(job, document, servers[0], log), servers, objects)
    except AlgorithmFailed as error:
        return Outcome(Status.FAILED, f"AlgorithmError: {error}")
    finally:
        log.close()


@contextmanager
def _servers(job: Job, document: Document) -> Iterator[list[Server]]:
    """Starts one healthy serving process for each instance; a stop of the job ends them."""
    machine = job.machine
    served = models.served(machine, document["ModelName"])
    told = {
        "SAGEMAKER_BATCH": "true",
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": str(document.get("MaxConcurrentTransforms", 1)),
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": str(document.get("MaxPayloadInMB", _DEFAULT_MEGABYTES)),
        "SAGEMAKER_BATCH_STRATEGY": _underscored(document.get("BatchStrategy", "MultiRecord")),
    }
    served = replace(served, environment={**served.environment, **told, **document.get("Environment", {})})
    servers: list[Server] = []
    started = int(now())
    try:
        for number in range(1, document["TransformResources"]["InstanceCount"] + 1):
            name = f"algo-{number}"
            prepared = image.prepare(machine, served, job.folder / name, lambda _: None)
            stream, seconds = f"{job.name}/{name}-{started}", machine.settings.startup_seconds
            purpose = Purpose("container of the transform job", LOG_GROUP, stream, seconds)
            server = Server(machine, prepared, purpose, job.stop_asked, lambda _: None)
            servers.append(server)
            try:
                server.start()
            except WorkFailed as error:
                if job.stop_asked.is_set():
                    break
                raise AlgorithmFailed(str(error)) from error
        yield servers
    finally:
        for server in servers:
            server.stop()


def _planned(job: Job, document: Document, server: Server, log: LogStream) -> _Plan:
    """Plans by what the request says, else the container (GET /execution-parameters), else by AWS's defaults."""
    asked = _execution_parameters(server)
    concurrent = document.get("MaxConcurrentTransforms") or asked.get("MaxConcurrentTransforms") or 1
    megabytes: Json = document.get("MaxPayloadInMB", asked.get("MaxPayloadInMB", _DEFAULT_MEGABYTES))
    strategy = document.get("BatchStrategy") or asked.get("BatchStrategy") or "MultiRecord"
    batching = Batching(
        document["TransformInput"].get("SplitType", "None"),
        _underscored(strategy) == "MULTI_RECORD",
        int(megabytes) * _MEGABYTE,
    )
    log.write(
        f"sagemaker logs: MaxConcurrentTransforms={concurrent}, MaxPayloadInMB={megabytes}, "
        f"BatchStrategy={_underscored(strategy)}"
    )
    return _Plan(job, document, batching, filters.of(document), int(concurrent), log)


def _underscored(strategy: str) -> str:
    return {"MultiRecord": "MULTI_RECORD", "SingleRecord": "SINGLE_RECORD"}.get(strategy, strategy)


def _execution_parameters(server: Server) -> Document:
    """Asks the container for its parameters, which most do not have."""
    try:
        exchange = server.open("GET", "/execution-parameters", {}, None, _PARAMETER_SECONDS)
        try:
            content = b"".join(iter(exchange.read, b""))
        finally:
            exchange.close()
        parameters = json.loads(content) if exchange.status == 200 else {}
    except (NoAnswer, ValueError):
        return {}
    return parameters if isinstance(parameters, dict) else {}


def _transform_all(plan: _Plan, servers: Sequence[Server], objects: Sequence[Fetched]) -> Outcome:
    """Transforms every object; the first that fails ends the rest. Raises WorkFailed."""
    job, count = plan.job, len(servers)
    over = threading.Event()
    workers = [_Worker(plan, server, over) for server in servers]
    with ThreadPoolExecutor(plan.concurrent * count, "transform-objects") as pool:
        running = [pool.submit(workers[n % count].transform, fetched) for n, fetched in enumerate(objects)]
        for future in running:
            future.add_done_callback(lambda _: job.wake.set())
        try:
            _await(job, running)
        finally:
            over.set()
            for future in running:
                future.cancel()
            if job.stop_asked.is_set():
                # What waits for an answer gets none.
                for server in servers:
                    server.stop()
            for worker in workers:
                worker.close()
    return Outcome(Status.STOPPED if job.stop_asked.is_set() else Status.COMPLETED)


def _await(job: Job, running: Sequence["Future[None]"]) -> None:
    while True:
        job.wake.clear()
        if job.stop_asked.is_set():
            return
        for future in running:
            if future.done():
                future.result()
        if all(future.done() for future in running):
            return
        job.wake.wait()


class _Worker:
    """Sends objects to one instance."""

    def __init__(self, plan: _Plan, server: Server, over: threading.Event) -> None:
        self._plan = plan
        self._server = server
        self._over = over
        self._requests = ThreadPoolExecutor(plan.concurrent, "transform-requests")

    def close(self) -> None:
        self._requests.shutdown(cancel_futures=True)

    def transform(self, fetched: Fetched) -> None:
        """Raises WorkFailed."""
        if self._over.is_set():
            return
        plan, machine = self._plan, self._plan.job.machine
        data = plan.job.folder / "data"
        name = fetched.file.relative_to(data).as_posix()
        output = plan.job.folder / "out" / f"{name}.out"
        for folder in (fetched.file.parent, output.parent):
            folder.mkdir(parents=True, exist_ok=True)
        try:
            file = fetching.fetch_object(
                machine, fetched, plan.document["TransformInput"].get("CompressionType") == "Gzip"
            )
            with output.open("wb") as sink:
                self._send(file, sink)
            if not self._over.is_set():
                storage.upload_file(
                    machine.s3, output, storage.joined(plan.document["TransformOutput"]["S3OutputPath"], f"{name}.out")
                )
            file.unlink()
            output.unlink()
        except WorkFailed as error:
            if not self._over.is_set():
                plan.log.write(f"sagemaker logs: {fetched.bucket}/{fetched.key}: {error}")
            raise type(error)(f"s3://{fetched.bucket}/{fetched.key}: {error}") from error

    def _send(self, file: Path, sink: IO[bytes]) -> None:
        """Sends every record; the answers keep the order of the records, however many requests are under way."""
        pending: deque[tuple[Payload, Future[bytes]]] = deque()
        for payload in self._plan.batching.payloads(file, self._plan.processing.given):
            if self._over.is_set():
                return
            if len(pending) >= self._plan.concurrent:
                self._write(*pending.popleft(), sink)
            pending.append((payload, self._requests.submit(self._ask, payload)))
        while pending:
            self._write(*pending.popleft(), sink)

    def _write(self, payload: Payload, body: "Future[bytes]", sink: IO[bytes]) -> None:
        content = self._plan.processing.kept(payload.records, body.result())
        sink.write(content)
        if not content.endswith(self._plan.ending):
            sink.write(self._plan.ending)

    def _ask(self, payload: Payload) -> bytes:
        """Raises WorkFailed. What the container did not answer, or answered with 5xx, may be asked again."""
        config = self._plan.document.get("ModelClientConfig", {})
        seconds = float(config.get("InvocationsTimeoutInSeconds", _DEFAULT_SECONDS))
        failure = ""
        for _ in range(1 + config.get("InvocationsMaxRetries", 0)):
            sink = io.BytesIO()
            try:
                response = self._server.invoke(self._plan.headers(), io.BytesIO(payload.body), sink, seconds)
            except NoAnswer as error:
                failure = f"the container gave no answer: {error}"
                continue
            if response.status < 300:
                return sink.getvalue()
            said = sink.getvalue()[:_MAX_SAID].decode("utf-8", "replace").strip()
            if response.status < 500:
                raise WorkFailed(f"Received client error ({response.status}) from the container with message {said!r}")
            failure = f"Received server error ({response.status}) from the container with message {said!r}"
        raise AlgorithmFailed(failure)


KIND = JobKind("transform-job", "TransformJob", events.TRANSFORM_JOB, _check, _work)
create, describe, listed, stop = KIND.create, KIND.describe, KIND.listed, KIND.stop
