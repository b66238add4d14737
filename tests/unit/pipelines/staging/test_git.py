"""Sources of a repository: pinned to a commit, fetched when they are asked for, and a token that stands nowhere."""

import base64
import http.server
import io
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.catalogue import load_catalogue
from pipelines.compile import compile_algorithms
from pipelines.environment import Environment
from pipelines.problems import CatalogueError, CompileError
from pipelines.spec import GitSource
from pipelines.staging.git import Checkout, resolve
from pipelines.staging.stage import Staged, stage
from tests.unit.pipelines.catalogues import FRAMEWORK, write_algorithm

FILE = "algorithms/framework/algorithm.yaml"
GONE = "0123456789abcdef0123456789abcdef01234567"


def git(repository: Path, *words: str) -> str:
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.test", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *identity, *words], cwd=repository, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with the scripts in `models/`, which are no part of the algorithm's folder any more."""
    folder = tmp_path / "repository"
    (folder / "models").mkdir(parents=True)
    for script in ("train", "process", "evaluate", "inference"):
        (folder / "models" / f"{script}.py").write_text(f"print({script!r})\n")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        git(folder, *words)
    return folder


def from_git(tmp_path: Path, source_dir: str = "models", /, **source: str) -> Path:
    """A catalogue with one algorithm whose scripts are in a repository. Returns it."""
    described = {**FRAMEWORK["framework"], "source_dir": source_dir, "git": source}
    write_algorithm(tmp_path / "algorithms", {**FRAMEWORK, "framework": described})
    return tmp_path / "algorithms"


def staged(tmp_path: Path, source_dir: str = "models", /, **source: str) -> Staged:
    (algorithm,) = load_catalogue(from_git(tmp_path, source_dir, **source)).checked()
    return stage(algorithm, Environment(), {}, tmp_path / "cache")


def refused(made: Staged) -> str:
    with pytest.raises(CatalogueError) as caught:
        made.uploads[0].body()
    return str(caught.value)


def test_a_branch_is_compiled_as_the_commit_it_is_at(tmp_path: Path, repository: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")
    by_branch = staged(tmp_path, repo=str(repository), branch="main")
    by_commit = staged(tmp_path, repo=str(repository), commit=head)
    assert by_branch.request.source_uri == by_commit.request.source_uri
    assert by_branch.content_sha256 == by_commit.content_sha256
    (repository / "models" / "train.py").write_text("print('another')\n")
    git(repository, "commit", "-qam", "y")
    assert staged(tmp_path, repo=str(repository), branch="main").source_key != by_branch.source_key


def test_sources_are_fetched_when_they_are_uploaded_and_once(tmp_path: Path, repository: Path) -> None:
    (upload,) = staged(tmp_path, repo=str(repository), branch="main").uploads
    assert not (tmp_path / "cache").exists()
    body = upload.body()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        assert archive.getnames() == ["evaluate.py", "inference.py", "process.py", "train.py"]
    repository.rename(tmp_path / "elsewhere")
    assert upload.body() == body
    assert [place.name for place in (tmp_path / "cache").iterdir()] == [upload.path.parent.name]


@pytest.mark.parametrize("words", [["tag", "v1"], ["tag", "-a", "v1", "-m", "first"]], ids=["light", "annotated"])
def test_a_tag_is_as_good_as_a_branch(repository: Path, words: list[str]) -> None:
    git(repository, *words)
    source = GitSource(repo=str(repository), branch="v1")
    assert resolve(source, FILE) == git(repository, "rev-parse", "HEAD")


def test_a_branch_that_is_gone_is_told(tmp_path: Path, repository: Path) -> None:
    algorithms = load_catalogue(from_git(tmp_path, repo=str(repository), branch="gone")).checked()
    with pytest.raises(CatalogueError) as caught:
        compile_algorithms(algorithms, Environment(), tmp_path / "cache")
    what = f'framework.git.branch: expected a branch or tag of {repository}, found "gone"'
    assert str(caught.value) == f"{FILE}: {what}"


def test_a_commit_that_is_gone_is_told_when_it_is_fetched(tmp_path: Path, repository: Path) -> None:
    line = refused(staged(tmp_path, repo=str(repository), commit=GONE))
    assert line == f'{FILE}: framework.git.commit: expected a commit of {repository}, found "{GONE}"'


def test_a_repository_that_does_not_answer_is_no_fault_of_the_file(tmp_path: Path) -> None:
    source = {"repo": str(tmp_path / "nowhere"), "branch": "main"}
    with pytest.raises(
        CompileError, match=r"framework\.git\.repo: expected a repository that answers, found .*nowhere"
    ):
        staged(tmp_path, **source)
    made = staged(tmp_path, **{**source, "commit": GONE})
    with pytest.raises(CompileError, match=r"framework\.git\.repo: expected a repository that answers"):
        made.uploads[0].body()


def test_what_the_repository_does_not_have_is_told(tmp_path: Path, repository: Path) -> None:
    (repository / "models" / "process.py").unlink()
    (repository / "models" / "out").symlink_to("/etc")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "y")
    lines = refused(staged(tmp_path, repo=str(repository), branch="main")).splitlines()
    what = 'expected nothing that leaves the algorithm\'s folder, found "link to /etc"'
    assert lines == [
        f"{FILE}: framework.source_dir: models/out: {what}",
        f'{FILE}: processing.entry_point: expected a file of the repository\'s folder, found "process.py"',
    ]
    line = refused(staged(tmp_path, "nowhere", repo=str(repository), branch="main"))
    assert line == f'{FILE}: framework.source_dir: expected a folder of the repository, found "nowhere"'


TOKEN = "s3cret-t0ken"
ENCODED = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()


@pytest.fixture
def asked() -> Iterator[tuple[str, list[str | None]]]:
    """The address of a server of this machine that has no repository, and the Authorization of each request."""
    authorizations: list[str | None] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            authorizations.append(self.headers["Authorization"])
            self.send_error(404)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/models.git", authorizations
        server.shutdown()
        thread.join()


def test_the_token_reaches_the_repositorys_host(
    monkeypatch: pytest.MonkeyPatch, asked: tuple[str, list[str | None]]
) -> None:
    address, authorizations = asked
    monkeypatch.setenv("HEADRACE_GIT_TOKEN", TOKEN)
    with pytest.raises(CompileError, match="expected a repository that answers") as caught:
        resolve(GitSource(repo=address, branch="main"), FILE)
    assert authorizations == [f"Basic {ENCODED}"]
    assert TOKEN not in str(caught.value)


@pytest.fixture
def talkative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git that says all it is told on standard error and fails; its arguments go into the file that is returned."""
    folder, said = tmp_path / "bin", tmp_path / "said.txt"
    folder.mkdir()
    (folder / "git").write_text(f'#!/bin/sh\necho "$@" >> {said}\n/usr/bin/env | grep ^GIT_ >&2\nexit 128\n')
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("HEADRACE_GIT_TOKEN", TOKEN)
    monkeypatch.setenv("GIT_TRACE_CURL", "1")
    return said


def test_the_token_stands_in_no_argument_and_no_error(talkative: Path) -> None:
    with pytest.raises(CompileError) as caught:
        resolve(GitSource(repo="https://git.example.test/models.git", branch="main"), FILE)
    assert "Authorization: Basic ***" in str(caught.value)
    told = str(caught.value) + talkative.read_text()
    assert TOKEN not in told
    assert ENCODED not in told
    assert "GIT_TRACE" not in told


@pytest.mark.parametrize("repo", ["http://git.example.test/models.git", "ssh://git@git.example.test/models.git"])
def test_the_token_is_not_sent_in_the_clear(talkative: Path, repo: str) -> None:
    with pytest.raises(CompileError) as caught:
        resolve(GitSource(repo=repo, branch="main"), FILE)
    assert "GIT_TERMINAL_PROMPT=0" in str(caught.value)
    assert "Authorization" not in str(caught.value)
    assert talkative.read_text().startswith(f"ls-remote --exit-code {repo} ")


def test_a_checkout_does_not_depend_on_the_line_ends_of_a_person(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.autocrlf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "true")
    head = git(repository, "rev-parse", "HEAD")
    source = GitSource(repo=str(repository), commit=head)
    folder = Checkout(FILE, source, head, "models", (), tmp_path / "cache").fetch()
    assert (folder / "train.py").read_bytes() == b"print('train')\n"
