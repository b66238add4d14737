"""The walls around a program: which stand, and what the launcher is told to build them."""

from dataclasses import dataclass

from local.documents import Document
from local.walls.command import Command
from local.walls.groups import NOT_BOUNDED, Groups
from local.walls.launcher.room import DEVICES, SYSTEM, resolver

# Where no root of its own can be made, these are the machine's for a program, too.
_WRITTEN_BESIDES = ("/tmp", "/var/tmp", "/dev/shm", "/dev/pts", "/dev/ptmx", *(f"/dev/{name}" for name in DEVICES))


@dataclass(frozen=True, slots=True)
class Boundary:
    """What stands between a program's processes and the machine."""

    namespace: bool
    """A root of its own, with a private /opt/ml; otherwise SAGEMAKER_BASE_DIR."""
    processes: bool
    """A process namespace too, so that nothing can outlive its container."""
    reason: str = ""
    """Why it is no more than that."""
    readonly: bool = False
    """A process can write to its own folders and nowhere else."""
    network: bool = False
    """A process can be started without a network."""
    confined: bool = True
    """Without capabilities and new privileges, and within Landlock's bounds where the kernel has it."""
    landlock: int = 0
    """Landlock's version; 0 where the kernel has none."""
    hidden: tuple[str, ...] = ()
    """What of the system only its owner may read, where that is who runs this."""
    groups: Groups = NOT_BOUNDED
    """Bounds of memory, processes and processors."""
    docker: bool = False
    """Its containers are Docker's."""

    @property
    def name(self) -> str:
        if self.docker:
            return "docker"
        if not self.namespace:
            return "base-dir"
        lacks = [
            *([] if self.processes else ["shared processes"]),
            *([] if self.readonly else ["the machine's files can be written"]),
        ]
        return "namespace" + (f" ({', '.join(lacks)})" if lacks else "")

    @property
    def walls(self) -> str:
        """Says in a line which walls stand, and which do not."""
        if self.docker:
            return "those of Docker"
        files = "own root, read-only" if self.readonly else "own root" if self.namespace else ""
        bounded = f"files by Landlock {self.landlock}" if self.landlock else "the user's files can be read and written"
        return "; ".join(
            [
                files or bounded,
                "own processes" if self.processes else "the user's processes are seen",
                "no capabilities" if self.confined else "the user's capabilities",
                self.groups.words,
            ]
        )

    @property
    def own_ml(self) -> bool:
        """A process finds its folder at /opt/ml."""
        return self.namespace or self.docker

    @property
    def names_hosts(self) -> bool:
        """`algo-1` can be made to resolve: a container has an /etc/hosts of its own."""
        return self.own_ml

    def job(self, command: Command) -> Document:
        """Returns what the launcher is told of a command; `launcher.main.Job` says what it is."""
        mounted = self.namespace and command.mounted and command.walls
        walls = self.confined and command.walls and not self.docker
        bounded = walls and not self.namespace and bool(self.landlock)
        return {
            "argv": list(command.argv),
            "environment": dict(command.environment),
            "cwd": "/opt/ml" if mounted else str(command.folder),
            "room": self._room(command) if self.namespace and command.walls else None,
            "confined": walls,
            "read": [*(f"/{name}" for name in SYSTEM), *resolver(), *command.keep] if bounded else [],
            "write": ["/proc", *_WRITTEN_BESIDES, *self._own(command)] if bounded else [],
            "group": self.groups.make() if walls else None,
            "after": None if command.after is None else list(command.after),
        }

    def _room(self, command: Command) -> Document:
        return {
            "ml": str(command.folder) if command.mounted else None,
            "files": dict(command.files),
            "covers": dict(command.covers),
            "keep": list(command.keep),
            "writable": list(command.writable),
            "hidden": list(self.hidden),
            "processes": self.processes,
            "network": command.network or not self.network,
            "readonly": self.readonly,
        }

    def _own(self, command: Command) -> list[str]:
        return [*([str(command.folder)] if command.mounted else []), *command.covers.values(), *command.writable]


NO_WALLS = Boundary(namespace=False, processes=False, confined=False)
"""For programs of this machine's user: guarded, so that they end with the cloud, and no more."""
