"""The XGBoost algorithm: its scripts as the framework's image calls them, on the diabetes sample."""

import json
from pathlib import Path
from typing import Any, cast

import pytest

from tests.unit.algorithms.containers import Container
from tests.unit.algorithms.environments import ALGORITHMS, REPOSITORY, environment

FOLDER = ALGORITHMS / "boosted_trees"
SOURCE = FOLDER / "source"
# What the framework's server does: one load, then for each request input, predict, output.
SERVER = """
import json, sys
sys.path.insert(0, sys.argv[1])
import inference
model = inference.model_fn(sys.argv[2])
for body, content_type in json.load(open(sys.argv[3])):
    try:
        data = inference.input_fn(body, content_type)
        answer = [200, *inference.output_fn(inference.predict_fn(data, model), "text/csv")]
    except Exception as error:
        answer = [error.status_code, str(error)]
    print(json.dumps(answer))
"""


def run(container: Container, script: str, *arguments: str) -> tuple[int, str]:
    finished = container.run("python", str(SOURCE / script), *arguments)
    return finished.code, finished.last_error


def test_the_walk_gives_a_model_that_is_better_than_the_mean(tmp_path: Path) -> None:
    xgboost = environment(REPOSITORY / "local" / "sagemaker" / "frameworks" / "xgboost-3.0.txt")
    script = Container(tmp_path, (xgboost,))
    script.put("processing/input/data/d.csv", (FOLDER / "samples" / "diabetes.csv").read_bytes())
    assert run(script, "process.py", "--target=progression") == (0, "")
    script.move("processing/output", "input/data")
    assert run(script, "train.py", "--target", "progression", "--num_round", "60") == (0, "")
    script.pack_model()
    script.move("processing/output/test", "processing/test")
    assert run(script, "evaluate.py") == (0, "")
    metrics = cast("dict[str, Any]", script.json("processing/evaluation/evaluation.json"))["metrics"]
    assert metrics["rmse"]["value"] < 60
    assert metrics["rows"]["value"] == 87

    holdout = (FOLDER / "samples" / "holdout.csv").read_text()
    server = script.put("server.py", SERVER)
    given = script.put(
        "requests.json", json.dumps([(holdout, "text/csv"), (holdout, "text/plain"), ("a\n1", "text/csv")])
    )
    finished = script.run("python", str(server), str(SOURCE), str(tmp_path / "model"), str(given))
    good, wrong_type, no_column = map(json.loads, finished.output.splitlines())
    predicted = [float(line) for line in good[1].splitlines()]
    # The six patients of the file go from a mild to a severe course.
    assert sum(predicted[3:]) > sum(predicted[:3]) + 100
    assert wrong_type == [415, "The content type text/plain is not supported: send text/csv."]
    assert no_column[0] == 400


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("a,progression\n" + "1,2\n" * 9, "The dataset has too few rows: 9; at least 10 are needed."),
        ("a,progression\n" + "1,2\n" * 10, 'The column "progression" is 2 in every row: there is nothing to learn.'),
        ("a,progression\n" + "1,2\n" * 10 + "1,high\n", "could not convert string to float: 'high'"),
        ("a,progression\n" + "1,2\n" * 10 + "1,inf\n", "a value that is not a finite number"),
        ("a,b\n1,2\n", 't.csv has no column "progression": found a, b.'),
    ],
)
def test_a_table_that_teaches_nothing_is_refused(script: Container, content: str, reason: str) -> None:
    script.put("processing/input/data/t.csv", content)
    code, said = run(script, "process.py", "--target", "progression")
    assert code == 1
    assert reason in said
    assert script.text("output/message") == said
