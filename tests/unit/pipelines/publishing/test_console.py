"""The console's files arrive with their types and caching, the page after what it loads, and only what differs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.publishing.apply import apply
from pipelines.publishing.changes import Action
from pipelines.publishing.console import plan_console
from pipelines.publishing.publication import Publication
from tests.unit.pipelines.deployment import ENVIRONMENT, deployment, mutations

FILES = {
    "index.html": "<script src=assets/index-abc.js></script>",
    "assets/index-abc.js": "1",
    "assets/zebra-def.css": "p {}",
    "favicon.svg": "<svg/>",
}


@pytest.fixture
def target() -> Iterator[Publication]:
    with deployment() as publication:
        yield publication


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_the_page_comes_after_what_it_loads(target: Publication, dist: Path) -> None:
    names = [change.name for change in plan_console(target, dist).changed]
    assert sorted(names) == sorted(f"console/{name}" for name in FILES)
    assert names[-1] == "console/index.html"


@pytest.mark.parametrize(
    ("name", "content_type", "cache"),
    [
        ("index.html", "text/html; charset=utf-8", "no-cache"),
        ("assets/index-abc.js", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"),
        ("favicon.svg", "image/svg+xml", "public, max-age=300"),
    ],
)
def test_a_file_is_served_as_what_it_is(
    target: Publication, dist: Path, name: str, content_type: str, cache: str
) -> None:
    apply(plan_console(target, dist), lambda _: None)
    served = target.clients.s3.get_object(Bucket=ENVIRONMENT.artifacts_bucket, Key=f"console/{name}")
    assert (served["ContentType"], served["CacheControl"]) == (content_type, cache)
    assert served["Body"].read().decode() == FILES[name]


def test_only_what_differs_is_sent(target: Publication, dist: Path) -> None:
    calls = mutations(target.clients.s3)
    first = plan_console(target, dist)
    assert calls == []
    apply(first, lambda _: None)
    (dist / "index.html").write_text("another")
    second = plan_console(target, dist)
    assert [(change.name, change.action, change.detail) for change in second.changed] == [
        ("console/index.html", Action.UPDATE, "content")
    ]
    apply(second, lambda _: None)
    assert calls == ["PutObject"] * (len(FILES) + 1)
    assert plan_console(target, dist).changed == ()
