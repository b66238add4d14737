"""`headrace algorithms check`: everything that is wrong with the catalogue, at once."""

from cli.errors import UsageError
from cli.project.checkout import find_project
from cli.terminal.options import AsJson
from cli.terminal.output import out, print_json
from pipelines.catalogue import load_catalogue


def check(as_json: AsJson = False) -> None:
    """Read every algorithm.yaml and name every problem."""
    catalogue = load_catalogue(find_project().algorithms)
    if as_json:
        problems = [
            {"file": problem.file, "path": problem.path, "text": problem.text} for problem in catalogue.problems
        ]
        print_json({"algorithms": [algorithm.name for algorithm in catalogue.algorithms], "problems": problems})
    if catalogue.problems:
        raise UsageError("\n".join(str(problem) for problem in catalogue.problems))
    if not as_json:
        out.print(f"{len(catalogue.algorithms)} algorithms, no problems")
