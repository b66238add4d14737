"""The script-mode algorithm: its scripts as the framework's image calls them, on the breast-cancer sample."""

import json
from pathlib import Path
from typing import Any, cast

import pytest

from tests.unit.algorithms.containers import Container
from tests.unit.algorithms.environments import ALGORITHMS

FOLDER = ALGORITHMS / "gradient_boosting"
SOURCE = FOLDER / "source"
# What the framework's server does: one load, then for each request input, predict, output.
SERVER = """
import json, sys
sys.path.insert(0, sys.argv[1])
import inference
model = inference.model_fn(sys.argv[2])
for body, content_type in json.load(sys.stdin if len(sys.argv) < 4 else open(sys.argv[3])):
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


def answers(container: Container, *requests: tuple[str, str]) -> list[list[Any]]:
    server = container.put("server.py", SERVER)
    given = container.put("requests.json", json.dumps(requests))
    finished = container.run("python", str(server), str(SOURCE), str(container.base / "model"), str(given))
    assert finished.code == 0, finished.errors
    return [json.loads(line) for line in finished.output.splitlines()]


def test_the_walk_gives_a_model_that_tells_the_held_out_cases_apart(script: Container) -> None:
    script.put("processing/input/data/cancer.csv", (FOLDER / "samples" / "breast_cancer.csv").read_bytes())
    assert run(script, "process.py", "--target", "diagnosis", "--seed", "13") == (0, "")
    script.move("processing/output", "input/data")
    assert run(script, "train.py", "--target", "diagnosis", "--iterations", "40", "--learning-rate", "0.2") == (0, "")
    script.pack_model()
    script.move("processing/output/test", "processing/test")
    assert run(script, "evaluate.py", "--target", "diagnosis") == (0, "")
    report = cast("dict[str, Any]", script.json("processing/evaluation/evaluation.json"))
    assert report["metrics"]["accuracy"]["value"] > 0.9
    assert report["metrics"]["rows"]["value"] == 113

    holdout = (FOLDER / "samples" / "holdout.csv").read_text()
    good, wrong_type, no_column, empty = answers(
        script,
        (holdout, "text/csv; charset=utf-8"),
        (holdout, "application/json"),
        ("a,b\n1,2", "text/csv"),
        ("", "text/csv"),
    )
    status, body, content_type = good
    assert (status, content_type) == (200, "text/csv")
    classes = cast("dict[str, Any]", script.json("model/model.json"))["classes"]
    probabilities = [[float(cell) for cell in line.split(",")] for line in body.splitlines()]
    predicted = [classes[row.index(max(row))] for row in probabilities]
    assert predicted == [line.rsplit(",", 1)[1] for line in holdout.splitlines()[1:]]
    assert wrong_type == [415, "The content type application/json is not supported: send text/csv."]
    assert no_column[0] == 400
    assert "mean_radius" in no_column[1]
    assert empty[0] == 400


def test_training_finds_its_places_in_the_variables_of_the_framework(tmp_path: Path, script: Container) -> None:
    lines = [f"{i},{'xy'[i % 2]}" for i in range(40)]
    script.put("elsewhere/data/part 1.csv", "\n".join(["a,diagnosis", *lines]))
    places = {"SM_CHANNEL_TRAIN": str(tmp_path / "elsewhere/data"), "SM_MODEL_DIR": str(tmp_path / "elsewhere/model")}
    assert run(Container(tmp_path, script.path, places), "train.py", "--iterations", "2") == (0, "")
    assert (tmp_path / "elsewhere/model/model.joblib").is_file()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("a,b\n1,2\n", 't.csv has no column "diagnosis": found a, b.'),
        ("a,diagnosis\n1,x\ntwo,y\n", 't.csv, row 3, column a: "two" is not a number.'),
        ("", "t.csv is empty (0 bytes)."),
    ],
)
def test_a_bad_table_is_refused_by_processing_and_by_training(script: Container, content: str, reason: str) -> None:
    script.put("processing/input/data/t.csv", content)
    script.put("input/data/train/t.csv", content)
    assert run(script, "process.py", "--target", "diagnosis") == (1, reason)
    assert script.text("output/message") == reason
    assert run(script, "train.py", "--target", "diagnosis") == (1, reason)
    assert script.text("output/failure") == reason


def test_a_hyperparameter_of_the_wrong_type_is_told(script: Container) -> None:
    code, reason = run(script, "train.py", "--learning-rate", "fast")
    assert code == 1
    assert "--learning-rate" in reason
    assert "'fast'" in reason
