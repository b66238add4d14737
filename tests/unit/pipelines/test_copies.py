"""Copies of what algorithms share: written where the list says, compared, and no algorithm themselves."""

from pathlib import Path

import pytest

from pipelines.catalogue import load_catalogue
from pipelines.container_images.plan import plan_images
from pipelines.copies import check_copies, copies, write_copies
from pipelines.environment import Environment
from pipelines.problems import CatalogueError
from tests.unit.pipelines.catalogues import OWN, UNTRAINED, write_catalogue


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    """Two algorithms whose images share a module."""
    folder = write_catalogue(tmp_path, OWN, UNTRAINED)
    (folder / "_shared").mkdir()
    (folder / "_shared" / "job.py").write_text("SHARED = True\n")
    (folder / "_shared" / "copies.yaml").write_text("job.py: [own/container, untrained/container]\n")
    return folder


def test_copies_are_written_where_they_differ(catalogue: Path) -> None:
    own, untrained = catalogue / "own" / "container" / "job.py", catalogue / "untrained" / "container" / "job.py"
    assert write_copies(catalogue) == (own, untrained)
    untrained.write_text("SHARED = False\n")
    assert check_copies(catalogue) == (
        "algorithms/untrained/container/job.py: differs from algorithms/_shared/job.py, which is copied over it",
    )
    assert write_copies(catalogue) == (untrained,)
    assert own.read_text() == untrained.read_text() == "SHARED = True\n"
    assert check_copies(catalogue) == ()


def test_a_list_that_names_what_is_not_there_is_told_whole(catalogue: Path) -> None:
    (catalogue / "_shared" / "copies.yaml").write_text("job.py: [own/container, gone/container]\nmodel.py: []\n")
    with pytest.raises(CatalogueError) as caught:
        copies(catalogue)
    assert [str(problem) for problem in caught.value.problems] == [
        'algorithms/_shared/copies.yaml: job.py[1]: expected a folder of an algorithm, found "gone/container"',
        'algorithms/_shared/copies.yaml: model.py: expected a file of _shared/, found "model.py"',
    ]


def test_what_is_shared_is_no_algorithm_and_no_image(catalogue: Path) -> None:
    (catalogue / "_shared" / "algorithm.yaml").write_text("name: _shared\n")
    (catalogue / "_shared" / "Dockerfile").write_text("FROM scratch\n")
    algorithms = load_catalogue(catalogue).checked()
    assert [algorithm.name for algorithm in algorithms] == ["own", "untrained"]
    images = plan_images(algorithms, Environment())
    assert [image.repository for image in images] == ["headrace/own", "headrace/untrained"]


def test_a_catalogue_that_shares_nothing_has_no_copies(tmp_path: Path) -> None:
    assert copies(write_catalogue(tmp_path, OWN)) == ()
