"""What a program finds when it looks around: run inside the walls, so it imports nothing of ours."""

# ruff: noqa: PTH108, PTH109, PTH118, PTH123, PTH208

import contextlib
import json
import os
from typing import Any

_DEEPEST = 3


_PLACES = ("/dev", "/etc", "/home", "/opt", "/root", "/srv", "/tmp", "/usr", "/var", "/dev/shm", "/opt/ml", "/var/tmp")


def census() -> dict[str, Any]:
    return {
        "root": _names("/"),
        "devices": _names("/dev"),
        "opt": _names("/opt"),
        # By name, too: who may not list a folder may still know what is in it.
        "written": sorted({path for place in ("/", *_PLACES, *_own()) for path in _written(place, 0)}),
        "processes": [int(name) for name in _names("/proc") if name.isdigit()],
        "settings": _may_write("/proc/sys/kernel/hostname"),
        "home": _refusal("/root") or _refusal("/home"),
        "temporary": os.environ.get("TMPDIR"),
        **_status(),
    }


def _own() -> list[str]:
    return [os.getcwd(), *(os.environ[name] for name in ("HOME", "TMPDIR") if name in os.environ)]


def _names(folder: str) -> list[str]:
    with contextlib.suppress(OSError):
        return sorted(os.listdir(folder))
    return []


def _refusal(folder: str) -> str | None:
    try:
        os.listdir(folder)
    except OSError as error:
        return error.strerror
    return None


def _written(folder: str, depth: int) -> list[str]:
    """Lists the topmost folders that a file can be put into."""
    probe = os.path.join(folder, ".headrace-probe")
    with contextlib.suppress(OSError):
        os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        os.unlink(probe)
        return [folder]
    if depth == _DEEPEST:
        return []
    with contextlib.suppress(OSError):
        inside = [entry.path for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
        return [path for name in inside if name not in ("/proc", "/sys") for path in _written(name, depth + 1)]
    return []


def _may_write(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_WRONLY))
    except OSError:
        return False
    return True


def _status() -> dict[str, str]:
    with open("/proc/self/status") as file:
        lines = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    return {name: lines[name] for name in ("CapBnd", "CapEff", "CapPrm", "NoNewPrivs")}


if __name__ == "__main__":
    print(json.dumps(census()))
