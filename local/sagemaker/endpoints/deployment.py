"""One deployment: a plan carried out on two fleets, and taken back when it goes wrong."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from local.sagemaker.endpoints import alarms, description
from local.sagemaker.endpoints.fleet import Fleet
from local.sagemaker.endpoints.record import Record
from local.sagemaker.endpoints.rollout import Bake, Launch, Plan, Retire, Shift, Step
from local.sagemaker.endpoints.traffic import Traffic
from local.sagemaker.machine.machine import Machine
from local.sagemaker.wire.errors import WorkFailed
from local.store import now


class Interrupted(Exception):
    """The local cloud is being stopped. The next start deploys anew, from what is stored."""


class RolledBack(Exception):
    """What served before the deployment serves again; the text says why."""


class RollbackFailed(Exception):
    """Not all of what served before could be brought back; the text says why."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a deployment changes: from `blue` (None: nothing serves yet) to `green`."""

    green: Fleet
    blue: Fleet | None
    traffic: Traffic
    record: Record


class Deployment:
    """A plan for one change. To be run once."""

    def __init__(
        self, machine: Machine, change: Change, plan: Plan, closing: threading.Event, rerouted: Callable[[], None]
    ) -> None:
        self.green = change.green
        self.blue = change.blue
        self._machine = machine
        self._traffic = change.traffic
        self._record = change.record
        self._plan = plan
        self._closing = closing
        self._rerouted = rerouted
        self._clock = machine.settings.hosting.clock
        self._begun = self._clock.now()
        self._started = now()
        self._share = Fraction(0)
        self._kept = Fraction(1)
        """Of the blue fleet's capacity."""
        self._broken: str | None = None
        self._ended = threading.Event()

    def interrupt(self, reason: str | None = None) -> None:
        """Ends every wait. `reason`: the green fleet is broken; otherwise the local cloud is being stopped."""
        self._broken = self._broken or reason
        self._ended.set()

    def run(self) -> None:
        """Returns when all requests go to the green fleet, which may be all there is; the blue one is left as it is
        then. Raises Interrupted, RolledBack, RollbackFailed; and WorkFailed where there is no blue fleet."""
        try:
            for step in self._plan.steps:
                self._check()
                self._tell(step)
                self._carry_out(step)
            self._check()
        except (_Stop, WorkFailed) as error:
            if self._closing.is_set():
                raise Interrupted from error
            if self.blue is None:
                raise WorkFailed(str(error)) from error
            self._roll_back(self.blue, str(error))
            raise RolledBack(str(error)) from error

    def _check(self) -> None:
        """Raises _Stop when there is a reason not to go on."""
        if self._broken is not None or self._closing.is_set():
            raise _Stop(self._broken or "the local cloud is being stopped")
        if self._clock.now() - self._begun > self._plan.timeout_seconds:
            raise _Stop(
                f"The deployment did not end within MaximumExecutionTimeoutInSeconds ({self._plan.timeout_seconds})."
            )

    def _tell(self, step: Step) -> None:
        if not (isinstance(step, Retire) and self.blue is None):
            share = step.share if isinstance(step, Shift) else self._share
            self._record.pending(self.green, self._started, description.stage(step, self.green, share))

    def _carry_out(self, step: Step) -> None:
        match step:
            case Launch():
                self.green.grow(step.capacity)
            case Shift():
                self._shift(step.share)
            case Bake():
                self._bake(step)
            case Retire():
                # The last of the blue fleet goes when the endpoint is in service: nobody waits for its last requests.
                if self.blue is not None and step.capacity > 0:
                    self.blue.shrink(step.capacity)
                    self._kept = step.capacity
                    self._record.serving(self.blue)

    def _shift(self, share: Fraction) -> None:
        self._share = share
        if self.blue is None or share == 1:
            self._traffic.share((self.green, Fraction(1)))
        else:
            self._traffic.share((self.blue, 1 - share), (self.green, share))
        self._rerouted()

    def _bake(self, step: Bake) -> None:
        # The deployment's own end comes first, if it comes within the wait.
        left = self._begun + self._plan.timeout_seconds - self._clock.now()
        seconds = min(float(step.seconds), max(left, 0.0))
        in_alarm = alarms.bake(self._machine, self._plan.alarms, seconds, self._clock, self._ended)
        if in_alarm:
            raise _Stop(f"The deployment was rolled back because of alarm(s) in ALARM state: {', '.join(in_alarm)}.")

    def _roll_back(self, blue: Fleet, reason: str) -> None:
        """Raises RollbackFailed."""
        self._record.rolling_back(reason)
        try:
            while self._kept < 1:
                self._kept = min(self._kept + self._plan.rollback_batch, Fraction(1))
                blue.grow(self._kept)
                if self._share > 1 - self._kept:
                    self._shift(1 - self._kept)
        except WorkFailed as error:
            raise RollbackFailed(f"{reason} The rollback failed: {error}") from error
        self._traffic.share((blue, Fraction(1)))
        self._rerouted()


class _Stop(Exception):
    """The deployment is not to go on."""
