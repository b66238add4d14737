"""A chain: a detector finds boxes in an image, a reader answers for each crop. What its row in the catalogue asks for.

Both are algorithms of the catalogue with real-time endpoints of their own; docs/chained.md says what they answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from functions.catalogue import catalogue
from functions.catalogue.catalogue import Algorithm

if TYPE_CHECKING:
    from functions.aws.services import Services

MAX_CROPS = 200
"""Of one image, whatever the row says: they are one row of the jobs table, which holds 400 KB."""


@dataclass(frozen=True, slots=True)
class Member:
    """An algorithm of a chain and where it answers."""

    algorithm: str
    endpoint: str


@dataclass(frozen=True, slots=True)
class Chain:
    detect: Member
    read: Member
    min_confidence: float
    """Boxes of less are left out."""
    margin: float
    """What a crop takes in around its box, on each side, as a part of the box's width or height."""
    max_crops: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class ChainIncomplete(Exception):
    """A chain that cannot run; the text says which algorithm is the trouble."""


def parse(data: Mapping[str, Any]) -> Chain:
    """Reads back what `as_dict` gave, from a state's data."""
    return Chain(**{**data, "detect": Member(**data["detect"]), "read": Member(**data["read"])})


def resolve(algorithm: Algorithm, services: Services) -> Chain:
    """Returns the chain of an algorithm whose row has one, with the endpoints of its two algorithms.

    Raises:
        ChainIncomplete: it has none, or one of its algorithms is unknown or has no real-time endpoint.
    """
    if algorithm.chain is None:
        raise ChainIncomplete(not_a_chain(algorithm.name))
    detect, read = algorithm.chain["detect"], algorithm.chain["read"]
    return Chain(
        _member(algorithm, "detects", str(detect["algorithm"]), services),
        _member(algorithm, "reads", str(read["algorithm"]), services),
        min_confidence=float(detect["min_confidence"]),
        margin=float(detect["margin"]),
        max_crops=min(int(algorithm.chain["max_crops"]), MAX_CROPS),
    )


def not_a_chain(name: str) -> str:
    return f"{name} is no chain of two endpoints"


def _member(chain: Algorithm, does: str, name: str, services: Services) -> Member:
    algorithm = catalogue.get(services, name)
    told = f"{chain.name} {does} with {name}"
    if algorithm is None:
        raise ChainIncomplete(f"{told}, which the catalogue does not have")
    if algorithm.endpoint is None:
        raise ChainIncomplete(f"{told}, which has no endpoint")
    if algorithm.deploy_mode == "async":
        raise ChainIncomplete(f"{told}, whose endpoint is asynchronous: a chain waits for each answer")
    return Member(name, algorithm.endpoint)
