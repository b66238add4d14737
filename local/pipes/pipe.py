"""One pipe: what a batch of its source's events becomes, and where it goes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from local.documents import Document, Json
from local.pipes import targets, templates
from local.pipes.targets import Client
from local.pipes.templates import Names, TemplateInvalid

Done = Callable[[Sequence[Document]], None]
"""Takes events off the source, in their order."""
Wanted = Callable[[Document], bool]


@dataclass(frozen=True, slots=True)
class Pipe:
    """A pipe as CreatePipe describes it, with its name and ARN."""

    name: str
    arn: str
    request: Mapping[str, Any]

    @property
    def source(self) -> str:
        return str(self.request.get("Source", ""))

    @property
    def target(self) -> str:
        return str(self.request.get("Target", ""))

    @property
    def enrichment(self) -> str:
        return str(self.request.get("Enrichment") or "")

    def parameters(self, name: str) -> Mapping[str, Any]:
        """Returns one of SourceParameters, EnrichmentParameters and TargetParameters."""
        parameters: Mapping[str, Any] = self.request.get(name) or {}
        return parameters


def refused(request: Mapping[str, Any], sources: Mapping[str, str]) -> str | None:
    """Tells why a pipe cannot run here; `sources` are the services of sources that can, with their parameters' name."""
    source = targets.service_of(str(request.get("Source", "")))
    if source not in sources:
        return f"This cloud has no source of {source or 'no service'}: {request.get('Source')}"
    if why := targets.refused(str(request.get("Target", ""))):
        return why
    if (enrichment := str(request.get("Enrichment") or "")) and (why := targets.refused_enrichment(enrichment)):
        return why
    try:
        for section in ("EnrichmentParameters", "TargetParameters"):
            templates.check(str((request.get(section) or {}).get("InputTemplate") or ""))
    except TemplateInvalid as error:
        return str(error)
    return None


def carry(pipe: Pipe, events: Sequence[Document], wanted: Wanted, done: Done, client: Client) -> int:
    """Brings events to the target; returns how many were delivered or filtered out.

    What is done is taken off the source at once, so that a failure keeps what comes behind it, and nothing else.

    Raises:
        DeliveryFailed, ClientError: as the target or enrichment did.
    """
    names, flags = _names(pipe), [wanted(event) for event in events]
    chosen = [event for event, is_wanted in zip(events, flags, strict=True) if is_wanted]
    payloads = _reshaped(pipe, "EnrichmentParameters", chosen, names)
    if pipe.enrichment and payloads:
        payloads = targets.enrich(pipe.enrichment, payloads, client)
    payloads = _reshaped(pipe, "TargetParameters", payloads, names)
    parameters = {**pipe.parameters("TargetParameters"), "pipe": pipe.name}
    if targets.service_of(pipe.target) in targets.BATCHED:
        if payloads:
            targets.deliver(pipe.target, parameters, payloads, client)
        done(events)
    elif pipe.enrichment:
        # What it makes of some events need not be as many.
        for payload in payloads:
            targets.deliver(pipe.target, parameters, payload, client)
        done(events)
    else:
        waiting = iter(payloads)
        for event, is_wanted in zip(events, flags, strict=True):
            if is_wanted:
                targets.deliver(pipe.target, parameters, next(waiting), client)
            done([event])
    return len(events)


def _reshaped(pipe: Pipe, section: str, events: Sequence[Json], names: Names) -> list[Json]:
    template = pipe.parameters(section).get("InputTemplate")
    return [templates.render(template, event, names) for event in events] if template else list(events)


def _names(pipe: Pipe) -> Names:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Names(pipe.arn, pipe.name, pipe.source, pipe.target, pipe.enrichment, now)
