import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.algorithms.containers import Container, Server
from tests.unit.algorithms.environments import ALGORITHMS, FACES, SCIKIT_LEARN, environment

IRIS = ALGORITHMS / "decision_trees"


@pytest.fixture(scope="session")
def scikit_learn() -> Path:
    return environment(SCIKIT_LEARN)


@pytest.fixture
def trees(tmp_path: Path, scikit_learn: Path) -> Container:
    """The decision_trees container before its first command."""
    return Container(tmp_path, (IRIS / "container" / "bin", scikit_learn))


@pytest.fixture
def script(tmp_path: Path, scikit_learn: Path) -> Container:
    """The framework image, which runs the scripts of gradient_boosting."""
    return Container(tmp_path, (scikit_learn,))


@pytest.fixture(scope="session")
def iris(tmp_path_factory: pytest.TempPathFactory, scikit_learn: Path) -> Container:
    """The decision_trees container after its whole walk on the iris sample: process, train, evaluate."""
    container = Container(tmp_path_factory.mktemp("iris"), (IRIS / "container" / "bin", scikit_learn))
    container.put("processing/input/data/iris.csv", (IRIS / "samples" / "iris.csv").read_bytes())
    container.put("input/config/hyperparameters.json", '{"target": "Species", "max_depth": "3"}')
    for command in (["processing", "process", "--target", "Species", "--ignore", "Id"], ["train"]):
        finished = container.run(*command)
        assert finished.code == 0, finished.errors
        if command[0] == "processing":
            container.move("processing/output", "input/data")
    container.move("processing/output/test", "processing/test")
    container.pack_model()
    finished = container.run("processing", "evaluate", "--target", "Species", "--ignore", "Id")
    assert finished.code == 0, finished.errors
    return container


@pytest.fixture(scope="session")
def iris_server(iris: Container) -> Iterator[Server]:
    with iris.serving() as server:
        yield server


@pytest.fixture
def faces(tmp_path: Path) -> Container:
    """The face_aging container with the catalogue's model archive unpacked."""
    folder = ALGORITHMS / "face_aging"
    shutil.copytree(folder / "model", tmp_path / "model")
    return Container(tmp_path, (folder / "container" / "bin", environment(FACES)))


@pytest.fixture(scope="session")
def face_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = ALGORITHMS / "face_aging"
    base = tmp_path_factory.mktemp("faces")
    shutil.copytree(folder / "model", base / "model")
    with Container(base, (folder / "container" / "bin", environment(FACES))).serving() as server:
        yield server
