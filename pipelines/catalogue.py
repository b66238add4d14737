"""A folder of algorithms -> specifications, or every problem at once. `compile` turns each into a definition."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipelines.problems import CatalogueError, Problem, expected
from pipelines.spec import AlgorithmSpec, DeployMode
from pipelines.spec.reading import parse

FILE_NAME: Final = "algorithm.yaml"
_ANSWERS_AT_ONCE: Final = frozenset({DeployMode.REALTIME, DeployMode.SERVERLESS})


@dataclass(frozen=True, slots=True)
class Algorithm:
    """A specification and the folder its paths are relative to."""

    spec: AlgorithmSpec
    folder: Path

    @property
    def name(self) -> str:
        """The algorithm's name, which is its folder's."""
        return self.spec.name


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The algorithms that are in order, by name, and what is wrong with the others."""

    algorithms: tuple[Algorithm, ...]
    problems: tuple[Problem, ...]

    def checked(self) -> tuple[Algorithm, ...]:
        """Returns all algorithms; raises CatalogueError when there is any problem."""
        if self.problems:
            raise CatalogueError(self.problems)
        return self.algorithms


def load_catalogue(folder: Path) -> Catalogue:
    """Reads every algorithm of a folder. Files are named in problems as `<folder>/<algorithm>/algorithm.yaml`."""
    if not folder.is_dir():
        return Catalogue((), (Problem(folder.name, "", expected("a folder of algorithms", None)),))
    algorithms: list[Algorithm] = []
    problems: list[Problem] = []
    for place in sorted(folder.iterdir()):
        if place.is_dir() and not place.name.startswith((".", "_")):
            algorithm, wrong = load_algorithm(place)
            problems.extend(wrong)
            if algorithm is not None and not wrong:
                algorithms.append(algorithm)
    chained = [problem for algorithm in algorithms for problem in _chain_problems(algorithm, algorithms, folder)]
    unchained = {problem.file for problem in chained}
    kept = tuple(algorithm for algorithm in algorithms if shown_as(algorithm.folder) not in unchained)
    return Catalogue(kept, tuple(sorted([*problems, *chained], key=lambda problem: problem.file)))


def _chain_problems(algorithm: Algorithm, others: Sequence[Algorithm], folder: Path) -> Iterator[Problem]:
    """Links of a chain to what answers nothing. A broken algorithm's own problems say enough of it."""
    chain = algorithm.spec.chain
    if chain is None:
        return
    known = {other.name: other.spec for other in others}
    for link, name in (("detect", chain.detect.algorithm), ("read", chain.read.algorithm)):
        spec = known.get(name)
        if spec is None and (folder / name / FILE_NAME).is_file():
            continue
        if spec is None or spec.deploy.mode not in _ANSWERS_AT_ONCE:
            what = "the name of an algorithm with a realtime or serverless endpoint"
            yield Problem(shown_as(algorithm.folder), f"chain.{link}.algorithm", expected(what, name))


def load_algorithm(folder: Path) -> tuple[Algorithm | None, tuple[Problem, ...]]:
    """Reads one algorithm's folder: the algorithm, or None, and every problem. Never raises for what a file holds."""
    file = shown_as(folder)
    try:
        content = (folder / FILE_NAME).read_bytes()
    except OSError as error:
        return None, (Problem(file, "", f"expected a readable file, found {error.strerror}"),)
    spec, findings = parse(content, folder)
    problems = tuple(Problem(file, path, text) for path, text in dict.fromkeys(findings))
    return (None if spec is None else Algorithm(spec, folder)), problems


def shown_as(folder: Path) -> str:
    """Says how problems name an algorithm's file."""
    return f"{folder.parent.name}/{folder.name}/{FILE_NAME}"
