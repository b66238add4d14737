"""gabsa's scripts without its libraries: data sets, the text a model learns to say, scores, requests."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.unit.algorithms.environments import ALGORITHMS
from tests.unit.algorithms.scripts import older_python, scripts

SOURCE = ALGORITHMS / "gabsa" / "source"
SAMPLES = ALGORITHMS / "gabsa" / "samples"
GOOD = "The soup was cold.####[('soup', 'food quality', 'negative')]"

job, triples, process, evaluate, inference = scripts(SOURCE, "job", "triples", "process", "evaluate", "inference")


def read(tmp_path: Path, text: str, task: str = "tasd") -> list[Any]:
    file = tmp_path / "train.txt"
    file.write_text(text, "utf-8")
    found: list[Any] = triples.read(file, task)
    return found


def prepared(tmp_path: Path, *arguments: str, **files: str) -> Path:
    upload = tmp_path / "upload"
    upload.mkdir()
    for name, content in files.items():
        (upload / f"{name}.txt").write_text(content, "utf-8")
    process.prepare(upload, tmp_path / "output", process.arguments([*arguments]))
    return tmp_path / "output"


def test_what_a_model_is_to_say_is_read_back_as_the_same_tuples() -> None:
    found = (("soup", "food quality", "positive"), ("NULL", "service general", "negative"))
    text = triples.written(found)
    assert text == "(soup, food quality, positive); (NULL, service general, negative)"
    assert triples.said(text, "Soup and all.", "tasd") == (("Soup", "food quality", "positive"), found[1])
    assert triples.said(triples.written(()), "Soup.", "tasd") == ()


def test_half_tuples_repeated_ones_and_unknown_sentiments_are_left_out_of_what_a_model_says() -> None:
    text = "(soup, food quality, positive); (soup, food quality, positive); (wine, good); (a, b, glad); (bread, food"
    assert triples.said(text, "The soup", "tasd") == (("soup", "food quality", "positive"),)


def test_each_task_has_its_own_tuples(tmp_path: Path) -> None:
    one = read(tmp_path, "Good soup.####[('soup', 'Good')]\n", "aope")[0]
    assert triples.named(one.found, "aope") == [{"aspect": "soup", "opinion": "Good"}]
    assert read(tmp_path, "Good soup.####[('soup', 'Good', 'POS')]\n", "aste")[0].found == (
        ("soup", "Good", "positive"),
    )


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("no separator", "line 2: expected a sentence"),
        ("####[]", "line 2: expected a sentence"),
        ("A.####__import__('os')", "line 2: what follows #### is not a list"),
        ("A.####('soup',)", "line 2: what follows #### is not a list"),
        ("A.####[('soup', 'food quality')]", "line 2: expected tuples of 3 texts (aspect, category, sentiment)"),
        (
            "A.####[('soup', 'food quality', 'fine')]",
            "line 2: expected one of positive, negative, neutral, found 'fine'",
        ),
    ],
)
def test_a_line_that_is_no_example_is_named(tmp_path: Path, line: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r"train\.txt") as refused:
        read(tmp_path, f"{GOOD}\n{line}\n")
    assert reason in str(refused.value)


def test_scores_count_whole_tuples() -> None:
    truth = [(("soup", "food quality", "positive"),), (("wine", "drinks quality", "negative"), ("a", "b", "neutral"))]
    said = [(("Soup", "food quality", "positive"),), (("wine", "drinks quality", "positive"),)]
    assert triples.scores(truth, said) == {"f1": 0.4, "precision": 0.5, "recall": 1 / 3, "sentences": 2.0}
    assert triples.scores(truth, [(), ()])["f1"] == 0.0


def test_an_upload_without_a_test_file_has_a_share_held_out_and_none_is_lost(tmp_path: Path) -> None:
    every = [f"Sentence {number}.####[]" for number in range(20)]
    output = prepared(tmp_path, "--test_fraction=0.25", train="\n".join(every))
    parts = [(output / name).read_text().splitlines() for name in ("dataset/train.txt", "test/test.txt")]
    assert [len(part) for part in parts] == [15, 5]
    assert sorted(parts[0] + parts[1]) == sorted(every)
    assert (output / "pretrained" / process.NO_MODEL).is_file()


def test_a_model_in_the_upload_reaches_its_channel(tmp_path: Path) -> None:
    (tmp_path / "pretrained").mkdir()  # SageMaker makes the outputs' folders
    process.prepare(SAMPLES, tmp_path, process.arguments([]))
    assert (tmp_path / "pretrained" / "config.json").is_file()
    assert len((tmp_path / "test" / "test.txt").read_text().splitlines()) == 10


@pytest.mark.parametrize(
    ("arguments", "files", "reason"),
    [
        ([], {}, "a file train.txt is needed"),
        ([], {"train": GOOD}, "at least 10"),
        (["--dataset=../upload/.."], {"train": GOOD}, "expected a folder of the upload"),
        (["--dataset=other"], {"train": GOOD}, "no folder other"),
    ],
)
def test_an_upload_that_cannot_be_learned_from_is_refused(
    tmp_path: Path, arguments: list[str], files: dict[str, str], reason: str
) -> None:
    with pytest.raises(job.Problem, match=reason):
        prepared(tmp_path, *arguments, **files)


def test_a_failure_is_told_in_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise job.Problem("The dataset is empty.")

    assert job.run(fail, tmp_path / "output" / "failure") == 1
    assert (tmp_path / "output" / "failure").read_text() == "The dataset is empty."
    assert capsys.readouterr().err == "The dataset is empty.\n"


def test_the_quality_gate_reads_the_scores_in_the_model_archive(tmp_path: Path) -> None:
    archive = tmp_path / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        content = json.dumps({"f1": 0.75}).encode()
        entry = tarfile.TarInfo("./metrics.json")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    assert evaluate.scores_of(archive) == {"f1": 0.75}
    archive.write_bytes(b"no archive")
    with pytest.raises(job.Problem, match=r"model\.tar\.gz cannot be read"):
        evaluate.scores_of(archive)


def test_requests_are_sentences_in_json_or_plain_text() -> None:
    assert inference.input_fn('{"text": " The  soup. "}', "application/json; charset=utf-8") == ["The soup."]
    assert inference.input_fn(b"One.\n\nTwo.\n", "text/plain") == ["One.", "Two."]
    assert inference.input_fn('["One.", "Two."]', "application/json") == ["One.", "Two."]


@pytest.mark.parametrize(
    ("body", "kind", "reason"),
    [
        ("{", "application/json", "not JSON"),
        ('{"texts": [1]}', "application/json", "Expected"),
        ("{}", "application/json", "Expected"),
        ("", "text/plain", "found 0"),
        ("a\n" * 65, "text/plain", "found 65"),
        ("a" * 2001, "text/plain", "2000 characters"),
        ("a", "image/png", "content type image/png"),
    ],
)
def test_a_request_that_is_none_is_the_callers_fault(body: str, kind: str, reason: str) -> None:
    with pytest.raises(job.Problem, match=reason):
        inference.input_fn(body, kind)


def test_the_scripts_are_python_of_their_image() -> None:
    assert older_python(SOURCE, (3, 7)) == []


def test_the_sample_s_words_are_all_known_to_its_tokenizer() -> None:
    known = set(json.loads((SAMPLES / "pretrained" / "tokenizer.json").read_text())["model"]["vocab"])
    words = {
        word.lower().strip(".")
        for name in ("train", "dev", "test")
        for one in triples.read(SAMPLES / f"{name}.txt", "tasd")
        for word in (one.sentence + " " + " ".join(" ".join(parts) for parts in one.found)).split()
    }
    assert words <= known
