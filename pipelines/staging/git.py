"""A git source -> a commit, and its files when they are asked for. What is compiled is always a commit.

Credentials are git's own affair (its configuration, agents and helpers), or HEADRACE_GIT_TOKEN: that one reaches git by
the environment, for the repository's own host, and stands in no argument, file, error or log.
"""

import base64
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipelines.folders import inside, problems_of
from pipelines.problems import CatalogueError, CompileError, Problem, expected, shown
from pipelines.spec import GitSource

TOKEN: Final = "HEADRACE_GIT_TOKEN"
_TIMEOUT_SECONDS: Final = 300
_NO_SUCH_REFERENCE: Final = 2
"""How `git ls-remote --exit-code` ends when the repository answers and has no such branch."""
_SAFE_FOR_TOKENS: Final = re.compile(r"(https://[^/]+|http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?)/", re.IGNORECASE)
"""Addresses that a token may be sent to: encrypted ones and this machine."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """The sources of one commit, fetched into `cache` when they are first asked for."""

    file: str
    """The algorithm.yaml that names them, as problems name it."""
    source: GitSource
    commit: str
    source_dir: str
    scripts: tuple[tuple[str, str], ...]
    """(dotted key, file below source_dir) of what has to be there."""
    cache: Path

    @property
    def place(self) -> Path:
        """Where the sources stand once they are fetched."""
        return self.cache / self.commit / self.source_dir

    @property
    def address(self) -> str:
        """The content address: a commit is a hash of its files already."""
        return hashlib.sha256(f"git {self.commit} {self.source_dir}".encode()).hexdigest()

    def fetch(self) -> Path:
        """Returns the sources' folder. Raises CatalogueError for what is not there, CompileError without an answer."""
        checkout = self.cache / self.commit
        if not checkout.is_dir():
            self._fetch_into(checkout)
        place = inside(checkout, self.source_dir)
        if place is None or not place.is_dir():
            raise self._problem("source_dir", expected("a folder of the repository", self.source_dir))
        problems = [("source_dir", f"{name}: {text}") for name, text in problems_of(place, checkout)]
        problems += [
            (key, expected("a file of the repository's folder", script))
            for key, script in self.scripts
            if not (place / script).is_file()
        ]
        if problems:
            raise CatalogueError(Problem(self.file, _key(key), text) for key, text in problems)
        return place

    def _fetch_into(self, place: Path) -> None:
        self.cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.cache) as temporary:
            checkout = Path(temporary) / "checkout"
            _run(self.source, "init", "--quiet", str(checkout))
            got = _run(
                self.source, "-C", str(checkout), "fetch", "--quiet", "--depth", "1", self.source.repo, self.commit
            )
            if got.returncode != 0:
                raise self._no_commit(_said(got))
            # A person's own line-end settings have no say in what a commit holds.
            plain = ("-c", "core.autocrlf=false", "-c", "core.eol=lf", "-c", "advice.detachedHead=false")
            done = _run(self.source, "-C", str(checkout), *plain, "checkout", "--quiet", "FETCH_HEAD")
            if done.returncode != 0:
                raise CompileError(f"{self.file}: framework.git.commit: git checkout: {_said(done)}")
            shutil.rmtree(checkout / ".git")
            _settle(checkout, place)

    def _no_commit(self, said: str) -> CatalogueError | CompileError:
        if _run(self.source, "ls-remote", "--exit-code", self.source.repo, "HEAD").returncode:
            return _no_answer(self.file, self.source, said)
        key = "git.commit" if self.source.commit else "git.branch"
        return self._problem(key, expected(f"a commit of {self.source.repo}", self.commit))

    def _problem(self, key: str, text: str) -> CatalogueError:
        return CatalogueError([Problem(self.file, _key(key), text)])


def resolve(source: GitSource, file: str) -> str:
    """Returns the commit to take. Raises CatalogueError when the branch is gone, CompileError without an answer."""
    if source.commit is not None:
        return source.commit
    names = [f"refs/heads/{source.branch}", f"refs/tags/{source.branch}", f"refs/tags/{source.branch}^{{}}"]
    listing = _run(source, "ls-remote", "--exit-code", source.repo, *names)
    if listing.returncode == _NO_SUCH_REFERENCE:
        text = expected(f"a branch or tag of {source.repo}", source.branch)
        raise CatalogueError([Problem(file, _key("git.branch"), text)])
    if listing.returncode != 0:
        raise _no_answer(file, source, _said(listing))
    commits = {name: commit for commit, _, name in (line.partition("\t") for line in listing.stdout.splitlines())}
    # A branch before a tag of its name; of an annotated tag, the commit that it stands for.
    return next(commits[name] for name in (names[0], names[2], names[1]) if name in commits)


def _key(key: str) -> str:
    return key if key.startswith(("framework.", "processing.", "evaluation.")) else f"framework.{key}"


def _settle(checkout: Path, place: Path) -> None:
    try:
        checkout.rename(place)
    except OSError:
        # Another process fetched the same commit meanwhile: its checkout is the same.
        if not place.is_dir():
            raise


def _no_answer(file: str, source: GitSource, said: str) -> CompileError:
    text = f"expected a repository that answers, found {shown(source.repo)}, of which git says: {said}"
    return CompileError(str(Problem(file, _key("git.repo"), text)))


def _run(source: GitSource, *arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["git", *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
            env=_environment(source.repo),
            # Without a terminal nothing below git can wait for an answer.
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise CompileError(f"{source.repo}: expected the git command, found none") from error
    except subprocess.TimeoutExpired:
        # The exception holds what git said so far: it is left behind.
        raise CompileError(f"{source.repo}: expected an answer within {_TIMEOUT_SECONDS} s, found none") from None


def _environment(repo: str) -> dict[str, str]:
    """Returns this process's environment, the token as a header for the repository's host alone."""
    kept = {name: value for name, value in os.environ.items() if name != TOKEN and not name.startswith("GIT_TRACE")}
    kept["GIT_TERMINAL_PROMPT"] = "0"
    token, host = os.environ.get(TOKEN), _SAFE_FOR_TOKENS.match(repo)
    if token and host:
        count = int(kept.get("GIT_CONFIG_COUNT", "0"))
        kept["GIT_CONFIG_COUNT"] = str(count + 1)
        kept[f"GIT_CONFIG_KEY_{count}"] = f"http.{host[0]}.extraHeader"
        kept[f"GIT_CONFIG_VALUE_{count}"] = f"Authorization: Basic {_basic(token)}"
    return kept


def _basic(token: str) -> str:
    return base64.b64encode(f"x-access-token:{token}".encode()).decode()


def _said(run: subprocess.CompletedProcess[str]) -> str:
    """Returns the end of what git said, without the token, whoever repeated it."""
    said = " ".join(run.stderr.split())
    if token := os.environ.get(TOKEN):
        said = said.replace(token, "***").replace(_basic(token), "***")
    return said[-300:] or f"nothing (exit code {run.returncode})"
