"""What is to run behind walls: the words, the variables, and all of the machine that it may see."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Command:
    """A program with everything that its process starts with. All paths are absolute."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    """Its own: /opt/ml where `mounted` and the machine has namespaces, and where it begins."""
    mounted: bool = True
    files: Mapping[str, str] = field(default_factory=dict)
    """Files laid over others, where there is a mount namespace: path in the container -> file."""
    covers: Mapping[str, str] = field(default_factory=dict)
    """Folders in the place of others: /tmp -> a folder of its own."""
    keep: tuple[str, ...] = ()
    """Folders and files that it reads, wherever they lie."""
    writable: tuple[str, ...] = ()
    """Folders that it may write to, besides its own and those that cover others."""
    network: bool = True
    """False: no network, where the kernel gives that."""
    after: tuple[str, ...] | None = None
    """What removes the container from outside when it was killed."""
    walls: bool = True
    """False for a program of this machine's user, which runs as any other of theirs."""
