"""The TensorFlow algorithm: what its scripts do before, after and around TensorFlow, on the sample of digits."""

import csv
import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.unit.algorithms.environments import ALGORITHMS
from tests.unit.algorithms.scripts import imported

SAMPLES = ALGORITHMS / "digits" / "samples"


def digits_of(file: Path) -> list[int]:
    return [int(row["digit"]) for row in csv.DictReader(io.StringIO(file.read_text()))]


def test_processing_holds_out_a_share_of_each_digit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["process.py", "--test_fraction=0.2", "--seed=13"])
    given = tmp_path / "processing" / "input" / "data"
    given.mkdir(parents=True)
    (given / "digits.csv").write_bytes((SAMPLES / "digits.csv").read_bytes())
    with imported("digits", "process") as (process,):
        process.main()
    output = tmp_path / "processing" / "output"
    train, test = digits_of(output / "train" / "train.csv"), digits_of(output / "test" / "test.csv")
    assert sorted(train + test) == sorted(digits_of(SAMPLES / "digits.csv"))
    for digit in range(10):
        assert 0.18 < test.count(digit) / (test + train).count(digit) < 0.22


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("digit,a,b,c,d\n" + "1,0,0,0,0\n" * 19 + "1,0,0,x,0\n", 't.csv, row 21: "x" is not a number.'),
        ("digit,a,b,c,d\n" + "10,0,0,0,0\n" * 20, "t.csv, row 2: 10 is no digit from 0 to 9."),
        ("digit,a,b,c\n" + "1,0,0,0\n" * 20, "t.csv has 3 pixels a row, which is no square image."),
        ("a,b,c,d\n1,0,0,0\n", 't.csv needs exactly one column "digit": found 0.'),
        ("digit,a,b,c,d\n1,0,0,0,0\n", "The dataset has too few rows: 1; at least 20 are needed."),
        ("digit,a,b,c,d\n1,0,0,0\n", "t.csv, row 2 has 4 cells; 5 are expected."),
    ],
)
def test_a_bad_table_is_refused_with_its_place(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "t.csv").write_text(content)
    with imported("digits", "images", "job") as (images, job), pytest.raises(job.Problem) as problem:
        images.read(tmp_path)
    assert str(problem.value) == reason


def test_the_script_stands_in_the_archive_where_the_serving_image_looks(tmp_path: Path) -> None:
    with imported("digits", "train") as (train,):
        train.keep_script(tmp_path)
    assert (tmp_path / "code" / "inference.py").read_bytes() == (
        ALGORITHMS / "digits" / "source" / "inference.py"
    ).read_bytes()


@pytest.mark.parametrize("sent", ["digit,p0,p1\n7,1,2\n8,3,4\n", "1,2\n3,4\n", "p0,p1\n1,2\n3,4\n"])
def test_rows_become_instances_without_header_and_digit(sent: str) -> None:
    context = SimpleNamespace(request_content_type="text/csv; charset=utf-8")
    with imported("digits", "inference") as (inference,):
        assert json.loads(inference.input_handler(io.BytesIO(sent.encode()), context)) == {
            "instances": [[1, 2], [3, 4]]
        }


def test_a_request_that_is_no_table_is_told() -> None:
    with imported("digits", "inference") as (inference,):
        with pytest.raises(ValueError, match=r"Row 2 of the request"):
            inference.input_handler(io.BytesIO(b"1,2\n3,x\n"), SimpleNamespace(request_content_type="text/csv"))
        with pytest.raises(ValueError, match=r"image/png is not supported"):
            inference.input_handler(io.BytesIO(b""), SimpleNamespace(request_content_type="image/png"))
