"""The plan of the house holds: no circles, no long functions without a reason, no words that say nothing."""

import ast
from collections.abc import Mapping

import pytest

from tests.agreement import house

pytestmark = pytest.mark.xdist_group("house")
"""All are read once."""

LONG: dict[str, str] = {}
"""Functions of more than MOST_LINES lines, each with its reason."""

WIDE = {
    "cli.commands.torchserve.archive:archive": "one parameter an option of the command, as Typer reads them",
    "cli.commands.train:train": "one parameter an option of the command, as Typer reads them",
    "cli.commands.up:up": "one parameter an option of the command, as Typer reads them",
}
"""Functions of more than MOST_PARAMETERS parameters, each with its reason."""


@pytest.fixture(scope="module")
def trees() -> Mapping[str, ast.Module]:
    return house.modules()


@pytest.fixture(scope="module")
def functions(trees: Mapping[str, ast.Module]) -> list[house.Function]:
    return list(house.functions(trees))


def test_no_files_import_one_another_in_a_circle(trees: Mapping[str, ast.Module]) -> None:
    assert house.circles(trees) == []


def test_a_circle_is_found_however_it_is_imported() -> None:
    circle = house.parsed(
        {
            "a": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from b import x",
            "b": "def late():\n    import c",
            "c": "import a",
            "d": "import a",
        }
    )
    assert house.circles(circle) == [["a", "b", "c"]]


def test_long_functions_have_a_reason(functions: list[house.Function]) -> None:
    assert {function.place for function in functions if function.lines > house.MOST_LINES} == LONG.keys()


def test_long_signatures_have_a_reason(functions: list[house.Function]) -> None:
    assert {function.place for function in functions if function.parameters > house.MOST_PARAMETERS} == WIDE.keys()


def test_names_say_what_they_are(trees: Mapping[str, ast.Module]) -> None:
    assert house.empty_names(trees) == {}


def test_docstrings_of_functions_have_a_verb(trees: Mapping[str, ast.Module]) -> None:
    assert list(house.fragments(trees)) == []
