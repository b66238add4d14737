"""ARNs in requests: of which kind, and whether they are of here."""

from dataclasses import dataclass

from local.stepfunctions.api import errors

MACHINE, EXECUTION, EXPRESS, ACTIVITY, MAP_RUN = "stateMachine", "execution", "express", "activity", "mapRun"


@dataclass(frozen=True, slots=True)
class Place:
    """One account and region."""

    partition: str
    region: str
    account: str

    def arn(self, kind: str, name: str) -> str:
        return f"arn:{self.partition}:states:{self.region}:{self.account}:{kind}:{name}"

    def has(self, arn: str) -> bool:
        return arn.startswith(f"arn:{self.partition}:states:{self.region}:{self.account}:")


@dataclass(frozen=True, slots=True)
class Arn:
    text: str
    kind: str
    name: str
    """Of the state machine or activity, with the label of a distributed Map: `training/Shards`."""
    rest: str | None
    """A version, an alias, an execution's name, a map run's id."""

    @property
    def base(self) -> str:
        """Without version or alias."""
        return self.text if self.rest is None else self.text[: -len(self.rest) - 1]


def parse(text: str, *kinds: str) -> Arn:
    """Reads an ARN of one of these kinds. Raises ApiError."""
    if not text.startswith("arn:"):
        raise errors.invalid_arn(f"Invalid ARN prefix: {text}")
    parts = text.split(":", 7)
    if len(parts) < 7 or not parts[1] or not parts[6] or parts[2] != "states":
        raise errors.invalid_arn(f"Invalid ARN: {text}")
    kind, name, rest = parts[5], parts[6], parts[7] if len(parts) > 7 else None
    if kind not in kinds:
        raise errors.invalid_arn(f"Resource type not valid in this context: {kind}")
    if rest == "" or (rest is None and kind not in (MACHINE, ACTIVITY)):
        raise errors.invalid_arn(f"Invalid ARN: {text}")
    return Arn(text, kind, name, rest)
