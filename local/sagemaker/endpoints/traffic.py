"""Which fleet, variant and instance a request goes to."""

import random
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

from local.sagemaker.endpoints.fleet import Fleet
from local.sagemaker.endpoints.instance import Instance
from local.sagemaker.endpoints.variant import Variant

T = TypeVar("T")

_MAX_SESSIONS = 10_000


@dataclass(frozen=True, slots=True)
class Route:
    """A request's place: `instance` is reserved for it and to be released."""

    fleet: Fleet
    variant: Variant
    instance: Instance


class UnknownVariant(Exception):
    """No fleet has the variant that the request names."""


class Traffic:
    """The fleets of one endpoint and their shares of its requests. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shares: tuple[tuple[Fleet, Fraction], ...] = ()
        self._sessions: OrderedDict[str, Instance] = OrderedDict()

    @property
    def fleets(self) -> list[Fleet]:
        """The one that serves, and during a deployment the one that shall serve."""
        return [fleet for fleet, _ in self._shares]

    def share(self, *shares: tuple[Fleet, Fraction]) -> None:
        """Sends requests to these fleets from here on. What was routed before is let end."""
        self._shares = shares

    def route(self, target: str | None = None, session: str | None = None) -> Route | None:
        """Raises UnknownVariant, Throttled. None: there is no instance now."""
        instance = self._sessions.get(session) if session else None
        shares = [(fleet, share) for fleet, share in self._shares if target is None or fleet.variant(target)]
        if not shares:
            raise UnknownVariant(target)
        while shares:
            fleet = choose(random.random(), [(each, float(share)) for each, share in shares])
            route = self._in(fleet, target, instance)
            if route is not None:
                return route
            shares = [(each, share) for each, share in shares if each is not fleet]
        return None

    def _in(self, fleet: Fleet, target: str | None, instance: Instance | None) -> Route | None:
        named = fleet.variant(target) if target is not None else None
        variants = [named] if named is not None else list(fleet.variants)
        while variants:
            variant = choose(random.random(), [(each, each.weight) for each in variants])
            reserved = fleet.reserve(variant, instance)
            if reserved is not None:
                return Route(fleet, variant, reserved)
            variants.remove(variant)
        return None

    def open_session(self, session: str, instance: Instance) -> None:
        """Sends further requests of `session` to `instance`, as long as it is there."""
        with self._lock:
            self._sessions[session] = instance
            if len(self._sessions) > _MAX_SESSIONS:
                self._sessions.popitem(last=False)

    def close_session(self, session: str) -> None:
        with self._lock:
            self._sessions.pop(session, None)


def choose(point: float, weighted: Sequence[tuple[T, float]]) -> T:
    """Chooses by weight; `point` is in [0, 1). All weights 0: each is as likely as the others."""
    total = sum(weight for _, weight in weighted)
    if total <= 0:
        return weighted[int(point * len(weighted))][0]
    left = point * total
    for item, weight in weighted:
        if weight > 0 and left < weight:
            return item
        left -= weight
    # Sums of floats may leave a crumb.
    return next(item for item, weight in reversed(weighted) if weight > 0)
