"""The own-image algorithm: its commands under the container contract, on the iris sample and on every bad table."""

import csv
import io
import json
from pathlib import Path
from typing import Any, cast

import pytest

from tests.unit.algorithms.containers import Container, Server
from tests.unit.algorithms.environments import ALGORITHMS

# What they share is made once: one worker runs them all.
pytestmark = pytest.mark.xdist_group("iris")

SAMPLES = ALGORITHMS / "decision_trees" / "samples"
FEATURES = ["SepalLengthCm", "SepalWidthCm", "PetalLengthCm", "PetalWidthCm"]
SPECIES = ["Iris-setosa", "Iris-versicolor", "Iris-virginica"]
HOLDOUT = (SAMPLES / "holdout.csv").read_text()


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def table(*lines: str, count: int = 12) -> str:
    """A CSV text: the lines, then as many good rows of the columns a, b, kind as are missing to `count`."""
    good = [f"{i},{i % 5}.5,{'xy'[i % 2]}" for i in range(count)]
    return "\n".join(["a,b,kind", *lines, *good][: count + 1]) + "\n"


def refused(container: Container, *files: tuple[str, str | bytes]) -> str:
    """The reason the `process` stage gives for refusing the files."""
    (container.base / "processing" / "input" / "data").mkdir(parents=True)
    for name, content in files:
        container.put(f"processing/input/data/{name}", content)
    finished = container.run("processing", "process", "--target", "kind", "--ignore", "Id")
    assert finished.code == 1
    reason = container.text("output/message")
    assert finished.last_error == reason
    assert "Traceback" not in finished.errors
    assert len(reason.encode()) <= 1024
    return reason


def test_the_walk_leaves_a_model_that_scores_well_on_the_rows_held_out(iris: Container) -> None:
    report = cast("dict[str, Any]", iris.json("processing/evaluation/evaluation.json"))
    assert report["metrics"]["accuracy"]["value"] > 0.9
    assert report["metrics"]["rows"]["value"] == 30


def test_the_split_holds_out_a_fifth_of_each_class_and_loses_no_row(iris: Container) -> None:
    train, test = (rows(iris.text(f"processing/output/{name}/{name}.csv")) for name in ("train", "test"))
    assert train[0] == test[0] == [*FEATURES, "Species"]
    assert [sum(row[-1] == name for row in test[1:]) for name in SPECIES] == [10, 10, 10]
    given = [[float(cell) for cell in row[1:5]] for row in rows((SAMPLES / "iris.csv").read_text())[1:]]
    assert sorted([float(cell) for cell in row[:4]] for row in train[1:] + test[1:]) == sorted(given)


def test_the_same_seed_splits_the_same_way_and_another_does_not(trees: Container) -> None:
    trees.put("processing/input/data/t.csv", table(count=200))
    outcomes = []
    for seed in ("1", "1", "2"):
        assert trees.run("processing", "process", "--target", "kind", "--seed", seed).code == 0
        outcomes.append(trees.text("processing/output/test/test.csv"))
    assert outcomes[0] == outcomes[1] != outcomes[2]


def test_the_model_says_what_it_was_trained_on(iris: Container) -> None:
    described = cast("dict[str, Any]", iris.json("model/model.json"))
    assert described["features"] == FEATURES
    assert described["classes"] == SPECIES
    assert described["hyperparameters"]["max_depth"] == 3
    assert set(described["versions"]) == {"python", "scikit-learn", "numpy"}


def test_file_names_may_hold_spaces_plus_signs_and_any_letters(trees: Container) -> None:
    trees.put("processing/input/data/größe + weight (1).CSV", "\ufeff" + table())
    assert trees.run("processing", "process", "--target", "kind").code == 0


def test_column_and_class_names_may_hold_any_letters(trees: Container) -> None:
    text = table().replace("kind", "Größe, gemessen").replace(",x", ",ä x")
    trees.put("processing/input/data/t.csv", text.replace("a,b,Größe, gemessen", 'a,b,"Größe, gemessen"'))
    assert trees.run("processing", "process", "--target", "Größe, gemessen").code == 0
    assert "ä x" in trees.text("processing/output/train/train.csv")


def test_several_files_become_one_table_whatever_the_order_of_their_columns(trees: Container) -> None:
    trees.put("processing/input/data/one.csv", table())
    trees.put("processing/input/data/sub/two.csv", "kind,b,a\n" + "x,1,100\ny,2,200\n" * 5)
    trees.put("processing/input/data/_SUCCESS", "")
    finished = trees.run("processing", "process", "--target", "kind")
    assert finished.output.startswith("22 rows, 2 columns")
    assert "100.0,1.0,x" in trees.text("processing/output/train/train.csv")


def test_blank_rows_are_skipped(trees: Container) -> None:
    trees.put("processing/input/data/t.csv", "\n" + table() + "\n,,\n")
    assert trees.run("processing", "process", "--target", "kind").output.startswith("12 rows")


def test_a_missing_target_column_is_named_with_the_columns_found(trees: Container) -> None:
    assert refused(trees, ("t.csv", "a,b\n1,2\n")) == 't.csv has no column "kind": found a, b.'


def test_semicolons_and_a_missing_header_are_recognised(trees: Container) -> None:
    trees.put("processing/input/data/t.csv", "a;b;kind\n1;2;x\n")
    assert "semicolons" in trees.run("processing", "process", "--target", "kind").last_error
    trees.put("processing/input/data/t.csv", "1,2,3\n4,5,6\n")
    assert "is the header missing?" in trees.run("processing", "process", "--target", "kind").last_error


def test_a_dataset_without_a_csv_says_what_it_found(trees: Container) -> None:
    assert "found notes.txt" in refused(trees, ("notes.txt", "hello"))


def test_a_dataset_without_any_file_says_so(trees: Container) -> None:
    assert "no CSV file" in refused(trees)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "t.csv is empty (0 bytes)."),
        ("\n\n  \n", "t.csv has only blank lines: there is no header."),
        ("a,b,kind\n", "t.csv has a header but no rows."),
        (table("1,abc,x"), 't.csv, row 2, column b: "abc" is not a number.'),
        (table("1,2,x", "", "3,four,x"), 't.csv, row 4, column b: "four" is not a number.'),
        (table('1,"2\n",x', "3,n/a,y"), 't.csv, row 3, column b: "n/a" is not a number.'),
        (table("1,,x"), "t.csv, row 2, column b: the cell is empty, a number is needed."),
        (table("1,NaN,x"), 't.csv, row 2, column b: "NaN" is not a finite number.'),
        (table("1,-inf,x"), 't.csv, row 2, column b: "-inf" is not a finite number.'),
        (table("1,1e300,x"), 't.csv, row 2, column b: "1e300" is too large (the limit is 3.4e38).'),
        (table("1,2,"), "t.csv, row 2, column kind: the cell is empty, a class name is needed."),
        (table("1,2"), "t.csv, row 2 has 2 cells; 3 are expected."),
        (table("1,2,x,4"), "t.csv, row 2 has 4 cells; 3 are expected."),
        (table('1,"2,x'), "t.csv, row 2 cannot be read as CSV: unexpected end of data."),
        ("a,a,kind\n1,2,x\n", 't.csv: the column "a" is there twice (columns 1 and 2).'),
        (",b,kind\n1,2,x\n", "t.csv: column 1 has no name in the header."),
        ("Id,kind\n1,x\n", 't.csv has no column of numbers to learn from beside "kind": found Id, kind.'),
        (table(count=6), "The dataset has too few rows: 6; at least 10 are needed."),
        (table().replace(",y", ",x"), 'The column "kind" holds one class only, "x": at least two are needed.'),
        (table().encode("utf-16"), "t.csv is not UTF-8 text (byte 0xff in line 1): save it as CSV UTF-8."),
        (table("1,2,ä").encode("latin-1"), "t.csv is not UTF-8 text (byte 0xe4 in line 2): save it as CSV UTF-8."),
    ],
)
def test_a_bad_table_is_refused_with_the_place_and_the_reason(
    trees: Container, content: str | bytes, reason: str
) -> None:
    assert refused(trees, ("t.csv", content)) == reason


def test_a_target_with_a_value_for_each_row_is_no_class(trees: Container) -> None:
    lines = [f"{i},{i},{i / 7}" for i in range(20)]
    assert "does not look like a class" in refused(trees, ("t.csv", "\n".join(["a,b,kind", *lines])))


def test_files_with_different_columns_are_not_mixed(trees: Container) -> None:
    reason = refused(trees, ("one.csv", table()), ("two.csv", "a,c,kind\n1,2,x\n"))
    assert reason == "The files of the dataset have different columns: one.csv has a, b; two.csv has a, c."


def test_a_dataset_beyond_the_limit_is_refused_unread(tmp_path: Path, trees: Container) -> None:
    small = Container(tmp_path, trees.path, {"MAX_INPUT_MB": "0.001"})
    assert "the limit is 0.001 MB" in refused(small, ("t.csv", table(count=500)))


def test_a_reason_never_exceeds_what_sagemaker_keeps(trees: Container) -> None:
    trees.put("processing/input/data/t.csv", ",".join(f"{i}_{'ä' * 80}" for i in range(500)) + "\n1,2\n")
    finished = trees.run("processing", "process", "--target", "kind")
    assert finished.last_error.endswith("and 480 more.")
    reason = trees.text("output/message")
    assert len(reason.encode()) <= 1024
    assert reason.endswith(" ...")


def test_an_unknown_stage_or_argument_is_told(trees: Container) -> None:
    assert "there are: process, evaluate" in trees.run("processing", "polish").last_error
    assert "--seed" in trees.run("processing", "process", "--seed", "one").last_error
    assert "number between 0.01 and 0.9" in trees.run("processing", "process", "--test-fraction", "7").last_error


def test_evaluation_without_a_model_archive_says_so(trees: Container) -> None:
    finished = trees.run("processing", "evaluate")
    assert (finished.code, finished.last_error) == (1, "There is no model.tar.gz to evaluate.")


def test_evaluation_of_a_damaged_archive_says_so(trees: Container) -> None:
    trees.put("processing/model/model.tar.gz", b"\x1f\x8bbroken")
    assert "cannot be unpacked" in trees.run("processing", "evaluate").last_error


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"max_depth": "deep"}, 'Hyperparameter max_depth: "deep" is not a whole number of at least 1.'),
        ({"max_depth": "0"}, 'Hyperparameter max_depth: "0" is not a whole number of at least 1.'),
        ({"criterion": "luck"}, 'Hyperparameter criterion: "luck" is not a word out of gini, entropy, log_loss.'),
        ({"target": '"Kind"'}, 'train.csv has no column "Kind": found a, b, kind.'),
    ],
)
def test_training_that_cannot_work_says_why(trees: Container, given: dict[str, str], reason: str) -> None:
    trees.put("input/config/hyperparameters.json", json.dumps({"target": "kind"} | given))
    trees.put("input/data/train/train.csv", table())
    finished = trees.run("train")
    assert (finished.code, finished.last_error) == (1, reason)
    assert trees.text("output/failure") == reason


def test_training_on_text_in_a_number_column_names_the_cell(trees: Container) -> None:
    trees.put("input/config/hyperparameters.json", '{"target": "kind", "surprise": "1"}')
    trees.put("input/data/train/train.csv", table("1,abc,x"))
    finished = trees.run("train")
    assert trees.text("output/failure") == 'train.csv, row 2, column b: "abc" is not a number.'
    assert "surprise is not used here" in finished.errors


def test_ping_answers_200_once_the_model_is_loaded(iris_server: Server) -> None:
    assert iris_server.request("GET", "/ping").status == 200


def test_serving_without_a_model_ends_with_the_reason(trees: Container) -> None:
    (trees.base / "model").mkdir()
    finished = trees.run("serve")
    assert (finished.code, finished.last_error) == (1, "The model archive lacks model.json.")


def test_flowers_it_was_not_trained_on_are_recognised(iris_server: Server) -> None:
    answer = iris_server.invoke(HOLDOUT)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    probabilities = [[float(cell) for cell in row] for row in rows(answer.text)]
    assert all(len(row) == 3 and sum(row) == pytest.approx(1) for row in probabilities)
    classes = json.loads(answer.headers["X-Headrace-Classes"])
    assert classes == SPECIES
    assert [classes[row.index(max(row))] for row in probabilities] == [row[-1] for row in rows(HOLDOUT)[1:]]


def test_columns_are_taken_by_name_or_without_a_header_by_place(iris_server: Server) -> None:
    given = rows(HOLDOUT)[1:]
    backwards = "\n".join(",".join(reversed(row)) for row in rows(HOLDOUT))
    bare = "\r\n".join(",".join(row[1:5]) for row in given)
    assert iris_server.invoke(HOLDOUT).text == iris_server.invoke(backwards).text == iris_server.invoke(bare).text


@pytest.mark.parametrize(
    ("body", "content_type", "status", "reason"),
    [
        ("", "text/csv", 400, "The request is empty"),
        (" \n", "text/csv", 400, "The request is empty"),
        (",".join(FEATURES), "text/csv", 400, "The request has a header but no rows."),
        ("SepalLengthCm,PetalLengthCm\n1,2", "text/csv", 400, "lacks the columns SepalWidthCm, PetalWidthCm"),
        ("SepalLengthCm,SepalLengthCm,PetalLengthCm,PetalWidthCm,SepalWidthCm\n1,2,3,4,5", "text/csv", 400, "twice"),
        ("1,2,3,4\n5,6,seven,8", "text/csv", 400, 'row 2, column PetalLengthCm: "seven" is not a number'),
        ("1,2,abc,4", "text/csv", 400, 'row 1, column PetalLengthCm: "abc" is not a number'),
        (",".join(FEATURES) + "\n1,2,,4", "text/csv", 400, "row 2, column PetalLengthCm: the cell is empty"),
        ("1,2,nan,4", "text/csv", 400, 'row 1, column PetalLengthCm: "nan" is not a finite number'),
        ("1,2,3", "text/csv", 400, "row 1 has 3 cells; 4 are expected"),
        (b"1,2,\xff,4", "text/csv", 400, "is not UTF-8 text"),
        ("[[1,2,3,4]]", "application/json", 415, "application/json is not supported: send text/csv"),
    ],
)
def test_a_bad_request_is_answered_with_the_reason(
    iris_server: Server, body: str | bytes, content_type: str, status: int, reason: str
) -> None:
    answer = iris_server.invoke(body, content_type)
    assert (answer.status, reason in answer.text) == (status, True), answer.text


def test_other_paths_and_methods_are_answered_in_plain_text(iris_server: Server) -> None:
    assert iris_server.request("GET", "/").status == 404
    assert iris_server.request("GET", "/invocations").status == 405
