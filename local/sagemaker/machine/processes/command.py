"""A container's command: what to run, and the folder it will know as /opt/ml."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Program:
    """What a container is to run, as its job or endpoint says it."""

    argv: Sequence[str]
    variables: Mapping[str, str]
    hosts: Mapping[str, str] = field(default_factory=lambda: {"algo-1": "127.0.0.1"})
    """Names that resolve, with their addresses."""
    network: bool = True


@dataclass(frozen=True, slots=True)
class Command:
    """A program with everything that its process starts with."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    binds: Mapping[str, str] = field(default_factory=dict)
    """Files laid over others, where there is a mount namespace: path in the container -> file."""
    covers: Mapping[str, str] = field(default_factory=dict)
    """Folders laid over others, where nothing else can be written to: /tmp -> a folder of its own."""
    keep: tuple[str, ...] = ()
    """Folders that stay visible though they are below what is covered."""
    writable: tuple[str, ...] = ()
    network: bool = True
    """False: no network, where the kernel gives that."""
    after: tuple[str, ...] | None = None
    """What removes the container from outside when it was killed."""
