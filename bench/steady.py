"""Half an hour of a small, steady load: what `headrace up` holds after five minutes, and at the end.

A photo every five seconds, a training every minute, a question about the jobs every second. Memory and
descriptors of the server alone, processes and threads of all that it started; disk without the objects in S3, which
are the user's own. BENCH_MINUTES gives another length.
"""

import os
import statistics
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path

import psutil
import urllib3

from bench import clouds
from bench.clouds import UPLOADS, Cloud
from bench.measure import ROOT, Row, folder

_SECONDS = 60 * int(os.environ.get("BENCH_MINUTES", "30"))
_SETTLED_SECONDS = 300
_SAMPLE_SECONDS = 10
_WINDOW = 12
"""Samples, two minutes of them, whose median stands for a moment: a training's own processes come and go."""
_PHOTO_SECONDS, _TABLE_SECONDS, _QUESTION_SECONDS = 5, 60, 1
_PHOTO = ROOT / "algorithms" / "face_aging" / "samples" / "astronaut.jpg"
_TABLE = ROOT / "algorithms" / "decision_trees" / "samples" / "iris.csv"


@dataclass(frozen=True, slots=True)
class Sample:
    """What is held at one moment, in the units of `_UNITS`."""

    memory: float
    memory_of_all: float
    threads: int
    descriptors: int
    processes: int
    disk: float


_UNITS = {
    "memory": "MB resident in the server",
    "memory_of_all": "MB resident in all processes, functions and endpoints included",
    "threads": "threads of the server",
    "descriptors": "open descriptors of the server",
    "processes": "processes",
    "disk": "MB on disk besides the objects in S3",
}


def run() -> Iterator[Row]:
    """A row for each thing that may grow: what is held at the end against what is held once it has settled."""
    with folder() as name, clouds.headrace(Path(name)) as cloud:
        load = _Load(cloud)
        samples = _sampled(load, psutil.Process(cloud.pid), Path(name))
        uploads, unfinished = load.uploads, load.unfinished()
    yield Row(f"{_SECONDS // 60} minutes: {uploads:,} uploads, of which have not succeeded", f"{unfinished:,}", aim="0")
    settled = samples[_SETTLED_SECONDS // _SAMPLE_SECONDS :] or samples
    for field in fields(Sample):
        values = [float(getattr(sample, field.name)) for sample in settled]
        first, last = statistics.median(values[:_WINDOW]), statistics.median(values[-_WINDOW:])
        yield Row(f"{_UNITS[field.name]}: at the end, after 5 minutes", f"{last:,.1f}", f"{first:,.1f}", last / first)


class _Load:
    """What a few users do, by the clock."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud, self._s3 = cloud, cloud.client("s3")
        self._http, self._jobs = urllib3.PoolManager(timeout=60), f"{cloud.endpoint}/v1/jobs?status=INPROGRESS"
        self._every = {
            self._photo: _PHOTO_SECONDS,
            self._dataset: _TABLE_SECONDS,
            self._question: _QUESTION_SECONDS,
        }
        self._due = dict.fromkeys(self._every, time.monotonic())
        self.uploads = 0

    def go_on(self, seconds: float) -> None:
        """Does what is due, until `seconds` have passed."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            for work, due in self._due.items():
                if due <= now:
                    self._due[work] = max(due, now - self._every[work]) + self._every[work]
                    work()
            time.sleep(max(0.0, min(*self._due.values(), end) - time.monotonic()))

    def unfinished(self) -> int:
        """How many of the uploads have no job that succeeded, once all that run have ended."""
        while b'"job_id"' in self._question():
            time.sleep(1)
        statuses = [item["status"]["S"] for item in self._cloud.items("jobs") if "object" in item]
        return self.uploads - statuses.count("SUCCESS")

    def _photo(self) -> None:
        self._put(f"images/{self.uploads}.jpg", _PHOTO)

    def _dataset(self) -> None:
        self._put(f"datasets/decision_trees/steady/{self.uploads}.csv", _TABLE)

    def _put(self, key: str, file: Path) -> None:
        self._s3.put_object(Bucket=UPLOADS, Key=key, Body=file.read_bytes())
        self.uploads += 1

    def _question(self) -> bytes:
        return self._http.request("GET", self._jobs).data


def _sampled(load: _Load, server: psutil.Process, state: Path) -> list[Sample]:
    samples = []
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        load.go_on(_SAMPLE_SECONDS)
        samples.append(_sample(server, state))
    return samples


def _sample(server: psutil.Process, state: Path) -> Sample:
    resident, processes = 0, [server, *server.children(recursive=True)]
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            resident += process.memory_info().rss
    return Sample(
        memory=server.memory_info().rss / 1e6,
        memory_of_all=resident / 1e6,
        threads=server.num_threads(),
        descriptors=server.num_fds(),
        processes=len(processes),
        disk=_disk(state) / 1e6,
    )


def _disk(state: Path) -> int:
    size = 0
    for place, _, names in os.walk(state):
        if Path(place).relative_to(state).parts[:2] == ("ministack", "s3"):
            continue
        for name in names:
            with suppress(FileNotFoundError):
                size += (Path(place) / name).stat().st_size
    return size
