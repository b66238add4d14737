"""The instances of a job: a process each, with its own folder, host name and log stream."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.sagemaker.jobs.job import Job
from local.sagemaker.machine.logs import LogStream
from local.sagemaker.machine.machine import Machine
from local.store import now


@dataclass(frozen=True, slots=True)
class Group:
    """Instances of one type. A job that names no groups has one."""

    name: str
    type: str
    count: int


@dataclass(frozen=True, slots=True)
class Instance:
    """One of a job's machines, as its process sees it."""

    index: int
    """From 0 on."""
    group: Group
    cluster: "Cluster"
    folder: Path
    log: LogStream

    @property
    def ml(self) -> Path:
        """What the process knows as /opt/ml."""
        return self.folder / "ml"

    @property
    def host(self) -> str:
        return list(self.cluster.hosts)[self.index]


@dataclass(frozen=True, slots=True)
class Cluster:
    """Every host name of the job, with its address."""

    hosts: dict[str, str]
    """Each has a loopback address of its own, so that all may listen on the same port."""
    groups: Sequence[Group]

    def of_group(self, group: Group) -> list[str]:
        before = self.groups.index(group)
        start = sum(earlier.count for earlier in self.groups[:before])
        return list(self.hosts)[start : start + group.count]


@contextmanager
def prepared(job: Job, log_group: str, groups: Sequence[Group], folders: Iterable[str]) -> Iterator[list[Instance]]:
    """Yields the job's instances with these folders under /opt/ml; their logs are at CloudWatch when this is left."""
    cluster = Cluster(_hosts(job.machine, sum(group.count for group in groups)), groups)
    made: list[Instance] = []
    started = int(now())
    with ExitStack() as stack:
        for group in groups:
            for _ in range(group.count):
                name = f"algo-{len(made) + 1}"
                log = job.machine.shipper.open(log_group, f"{job.name}/{name}-{started}", job.folder / f"{name}.log")
                stack.callback(log.close)
                instance = Instance(len(made), group, cluster, job.folder / name, log)
                for folder in folders:
                    (instance.ml / folder).mkdir(parents=True, exist_ok=True)
                made.append(instance)
        yield made


def _hosts(machine: Machine, count: int) -> dict[str, str]:
    """Returns names that resolve: `algo-n` where a container has an /etc/hosts of its own."""
    addresses = [f"127.0.{number // 256}.{number % 256}" for number in range(1, count + 1)]
    if machine.boundary.names_hosts:
        return {f"algo-{number}": address for number, address in enumerate(addresses, start=1)}
    if count == 1:
        return {"localhost": addresses[0]}
    return {address: address for address in addresses}
