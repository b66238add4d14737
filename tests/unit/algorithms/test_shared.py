"""What several algorithms ship stands once, in algorithms/_shared/, and each folder that travels has its own copy."""

from collections import defaultdict
from pathlib import Path

from pipelines.copies import FOLDER, check_copies, copies
from tests.unit.algorithms.environments import ALGORITHMS


def test_every_program_that_stands_more_than_once_is_a_copy_of_a_shared_one() -> None:
    assert check_copies(ALGORITHMS) == ()
    copied = {copy.place for copy in copies(ALGORITHMS)}
    same: dict[bytes, list[Path]] = defaultdict(list)
    for program in ALGORITHMS.glob("[!_]*/**/*.py"):
        same[program.read_bytes()].append(program)
    assert {program for programs in same.values() if len(programs) > 1 for program in programs} == copied
    assert {copy.source.name for copy in copies(ALGORITHMS)} == {
        program.name for program in (ALGORITHMS / FOLDER).glob("*.py")
    }


def test_functions_decode_a_picture_as_algorithms_do() -> None:
    of_functions = ALGORITHMS.parent / "functions" / "images" / "decoding.py"
    assert of_functions.read_bytes() == (ALGORITHMS / FOLDER / "decoding.py").read_bytes()
