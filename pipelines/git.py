"""A git source -> a folder, kept under its commit. A branch is resolved first, so what is compiled is always a commit.

Credentials are git's own affair (its environment and helpers); none pass through here.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from pipelines.problems import CompileError
from pipelines.spec import GitSource

_TIMEOUT_SECONDS: Final = 300


def fetch(source: GitSource, cache: Path) -> Path:
    """The checkout of a source's commit. Raises CompileError when the repository, branch or commit is not there."""
    commit = source.commit or _head_of(source)
    place = cache / commit
    if place.is_dir():
        return place
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as temporary:
        checkout = Path(temporary) / "checkout"
        _git(source, "init", "--quiet", str(checkout))
        _git(source, "-C", str(checkout), "fetch", "--quiet", "--depth", "1", source.repo, commit)
        _git(source, "-C", str(checkout), "-c", "advice.detachedHead=false", "checkout", "--quiet", "FETCH_HEAD")
        shutil.rmtree(checkout / ".git")
        _settle(checkout, place)
    return place


def _settle(checkout: Path, place: Path) -> None:
    try:
        checkout.rename(place)
    except OSError:
        # Another process fetched the same commit meanwhile: its checkout is the same.
        if not place.is_dir():
            raise


def _head_of(source: GitSource) -> str:
    answer = _git(source, "ls-remote", "--exit-code", source.repo, f"refs/heads/{source.branch}")
    return answer.split()[0]


def _git(source: GitSource, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=True,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError as error:
        raise CompileError(f"{source.repo}: expected the git command, found none") from error
    except subprocess.TimeoutExpired as error:
        raise CompileError(f"{source.repo}: expected an answer within {_TIMEOUT_SECONDS} s, found none") from error
    except subprocess.CalledProcessError as error:
        revision = source.commit or source.branch
        said = " ".join(error.stderr.split())[-300:] or "no such revision"
        raise CompileError(f"{source.repo}: expected revision {revision}, found: {said}") from error
    return done.stdout
