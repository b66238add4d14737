"""The docker client: found, asked whether an engine answers, and run with a configuration folder of its own.

Logging in writes a password beside the user's own, or into the keychain of the machine; here it is written into a
folder that goes away, and everything else of the user's configuration stays in force. `images` is what uses it.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cli.errors import CommandError
from pipelines.container_images.requests import Command, Registry
from pipelines.documents import Document

_CHECK_SECONDS = 20
_STOP_SECONDS = 10
_KEPT = ("currentContext", "proxies", "cliPluginsExtraDirs", "HttpHeaders")
_LINKED = ("contexts", "cli-plugins")
WITHOUT = "`--dry-run` says what would be done, and `headrace up` needs no image: it runs the folders as environments"


@dataclass(frozen=True, slots=True)
class Docker:
    """A docker client whose engine answered."""

    program: str
    config: Path

    def login(self, command: Command, password: str) -> None:
        """Raises CommandError with what docker said, never with the password."""
        done = subprocess.run(
            (self.program, *command.arguments),
            input=password,
            capture_output=True,
            text=True,
            errors="replace",
            env=self._environment(),
            check=False,
        )
        if done.returncode != 0:
            said = " ".join((done.stderr or done.stdout).replace(password, "***").split())
            raise CommandError(f"{command}: ended with {done.returncode}: {said}")

    def run(self, command: Command, progress: Callable[[str], None]) -> None:
        """Runs to the end, line by line. Raises CommandError with its last line; an interrupt ends docker, too."""
        last = ""
        with subprocess.Popen(
            (self.program, *command.arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=self._environment(),
        ) as process:
            try:
                for line in process.stdout or ():
                    if line.strip():
                        last = line.rstrip()
                        progress(last)
            except BaseException:
                _end(process)
                raise
        if process.returncode != 0:
            raise CommandError(f"{command}: ended with {process.returncode}: {last or 'it said nothing'}")

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "DOCKER_CONFIG": str(self.config)}


def _end(process: "subprocess.Popen[str]") -> None:
    process.terminate()  # lets the client cancel the build in the engine
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


@contextmanager
def docker(registries: Sequence[Registry]) -> Iterator[Docker]:
    """Yields a docker client that may be logged in to some registries. Raises CommandError where there is no engine."""
    program = shutil.which("docker")
    if program is None:
        raise CommandError(f"docker is not installed; {WITHOUT}")
    _check(program, ("version", "--format", "{{.Server.Version}}"), "no docker engine answers")
    _check(program, ("buildx", "version"), "docker has no buildx, which its package docker-buildx-plugin brings")
    with tempfile.TemporaryDirectory(prefix="headrace-docker-") as folder:
        config = Path(folder)
        own = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
        (config / "config.json").write_text(json.dumps(_configuration(_read(own / "config.json"), registries)))
        for name in _LINKED:
            if (own / name).is_dir():
                (config / name).symlink_to((own / name).resolve())
        yield Docker(program, config)


def _check(program: str, arguments: tuple[str, ...], wrong: str) -> None:
    try:
        checked = subprocess.run(
            (program, *arguments),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_CHECK_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandError(f"{wrong}: {error}; {WITHOUT}") from error
    if checked.returncode != 0:
        said = " ".join((checked.stderr or checked.stdout).split())
        raise CommandError(f"{wrong}: {said or 'it said nothing'}; {WITHOUT}")


def _read(file: Path) -> Document:
    try:
        read = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise CommandError(f"{file}: cannot be read: {error}") from error
    return read if isinstance(read, dict) else {}


def _configuration(own: Document, registries: Sequence[Registry]) -> Document:
    """Returns the user's configuration without a place to store passwords: their own logins stay readable."""
    hosts = {registry.host for registry in registries}
    logins = {host: entry for host, entry in own.get("auths", {}).items() if host not in hosts}
    helpers = {host: name for host, name in own.get("credHelpers", {}).items() if host not in hosts}
    if store := own.get("credsStore"):
        helpers = {**dict.fromkeys(logins, store), **helpers}
    # Entries that are empty, since docker looks for a keychain of its own accord where it finds none.
    auths = logins | {host: {} for host in sorted(hosts)}
    kept = {key: own[key] for key in _KEPT if key in own}
    return {**kept, "auths": auths, **({"credHelpers": helpers} if helpers else {})}
