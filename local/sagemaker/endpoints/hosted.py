"""One endpoint as it runs; `hosting.py` changes it."""

import threading

from local.sagemaker.endpoints.backlog import AsyncQueue
from local.sagemaker.endpoints.deployment import Deployment
from local.sagemaker.endpoints.fleet import Fleet
from local.sagemaker.endpoints.record import Record
from local.sagemaker.endpoints.shadow import Shadows
from local.sagemaker.endpoints.traffic import Traffic
from local.sagemaker.machine.machine import Machine


class Hosted:
    """What there is of it, and what is being done to it."""

    def __init__(self, machine: Machine, name: str) -> None:
        self.name = name
        self.traffic = Traffic()
        self.record = Record(machine, name)
        self.fleet: Fleet | None = None
        """The one in service."""
        self.deployment: Deployment | None = None
        self.queue: AsyncQueue | None = None
        self.shadows = Shadows()
        self.changing = threading.Lock()
        """One change at a time: a deployment, a change of capacity, the end."""
