"""The algorithm on borrowed frameworks: what its scripts do without PaddlePaddle, on the sample of words."""

import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.unit.algorithms.environments import ALGORITHMS
from tests.unit.algorithms.scripts import imported

SAMPLES = ALGORITHMS / "paddleocr" / "samples"
PNG = (SAMPLES / "2026.png").read_bytes()


def archive(folder: Path, labels: str, images: int = 20) -> None:
    with zipfile.ZipFile(folder / "words.zip", "w") as packed:
        packed.writestr("labels.txt", labels)
        packed.writestr("note.png", b"no image")
        for number in range(images):
            packed.writestr(f"{number}.png", PNG)


def lines_of(file: Path) -> list[str]:
    return file.read_text("utf-8").splitlines()


def test_processing_splits_the_sample_and_leaves_no_channel_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["process.py", "--test_fraction=0.1"])
    given = tmp_path / "processing" / "input" / "data"
    given.mkdir(parents=True)
    (given / "words.zip").write_bytes((SAMPLES / "words.zip").read_bytes())
    with imported("paddleocr", "process") as (process,):
        process.main()
    output = tmp_path / "processing" / "output"
    train, test = lines_of(output / "dataset" / "labels.txt"), lines_of(output / "test" / "labels.txt")
    with zipfile.ZipFile(SAMPLES / "words.zip") as sample:
        assert sorted(train + test) == sorted(sample.read("labels.txt").decode().splitlines())
    assert len(test) == 70
    assert all((output / "test" / line.split("\t")[0]).is_file() for line in test)
    assert [path.name for path in (output / "pretrained_models").iterdir()] == ["README.txt"]


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ("0.png 2026\n", "labels.txt, line 1: expected a path, a tab and a text, found '0.png 2026'."),
        ("../0.png\t2026\n", "labels.txt, line 1: there is no image ../0.png."),
        ("99.png\t2026\n", "labels.txt, line 1: there is no image 99.png."),
        ("0.png\t2026\nnote.png\tx\n", "labels.txt, line 2: note.png is no PNG and no JPEG."),
        ("0.png\t2026\n", "The dataset has too few images: 1; at least 20 are needed."),
    ],
)
def test_a_bad_dataset_is_refused_with_its_line(tmp_path: Path, labels: str, reason: str) -> None:
    archive(tmp_path, labels)
    with imported("paddleocr", "dataset", "job") as (dataset, job), pytest.raises(job.Problem) as problem:
        dataset.split(dataset.read(dataset.unpacked(tmp_path, tmp_path / "aside")), 0.1, 13)
    assert str(problem.value) == reason


def test_an_archive_that_leads_out_of_its_folder_writes_nothing_there(tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    with tarfile.open(tmp_path / "given" / "words.tar.gz", "w:gz") as packed:
        for name in ("../outside.png", "labels.txt"):
            member = tarfile.TarInfo(name)
            member.size = len(PNG)
            packed.addfile(member, io.BytesIO(PNG))
    with imported("paddleocr", "dataset") as (dataset,):
        dataset.unpacked(tmp_path / "given", tmp_path / "aside")
    assert not (tmp_path / "outside.png").exists()
    assert (tmp_path / "aside" / "labels.txt").is_file()


def test_the_gate_counts_whole_texts_and_letters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    test, model = tmp_path / "processing" / "test", tmp_path / "processing" / "model"
    test.mkdir(parents=True)
    model.mkdir()
    (test / "labels.txt").write_text("".join(f"{number}.png\t2026\n" for number in range(4)))
    for number in range(4):
        (test / f"{number}.png").write_bytes(PNG)
    readings = b"0.png\t2026\n1.png\t2026\n2.png\t2O26\n3.png\t202\n"
    with tarfile.open(model / "model.tar.gz", "w:gz") as packed:
        member = tarfile.TarInfo("./predictions.tsv")
        member.size = len(readings)
        packed.addfile(member, io.BytesIO(readings))
    with imported("paddleocr", "evaluate") as (evaluate,):
        evaluate.main()
    metrics = json.loads((tmp_path / "processing" / "evaluation" / "evaluation.json").read_text())["metrics"]
    assert {name: metric["value"] for name, metric in metrics.items()} == {
        "accuracy": 0.5,
        "letter_error_rate": 2 / 16,
        "images": 4.0,
    }


def test_lines_of_a_page_are_found_by_their_ink() -> None:
    with imported("paddleocr", "lines") as (lines,):
        found = lines.find(lines.picture((SAMPLES / "page.png").read_bytes()))
        shapes = [lines.normal(line.image).shape for line in found]
    (first, second) = (line.box for line in found)
    assert first[0] < second[0] < 60
    assert first[3] <= second[1]
    assert [shape[:2] for shape in shapes] == [(3, 32), (3, 32)]


def test_a_page_of_sixteen_bits_is_scaled_and_turned_as_it_was_photographed(tmp_path: Path) -> None:
    with imported("paddleocr", "lines") as (lines,):
        exif = lines.Image.Exif()
        exif[0x0112] = 6
        page = lines.Image.frombytes("I;16", (30, 60), b"\0\x28" * 30 * 60)
        page.save(tmp_path / "page.png", exif=exif, transparency=1)
        picture = lines.picture((tmp_path / "page.png").read_bytes())
    assert (picture.mode, picture.size, picture.getextrema()) == ("L", (60, 30), (40, 40))


def test_an_empty_page_has_no_line_and_a_body_that_is_no_image_is_told() -> None:
    with imported("paddleocr", "lines") as (lines,):
        assert lines.find(lines.Image.new("L", (60, 30), 200)) == []
        with pytest.raises(ValueError, match="no PNG or JPEG"):
            lines.picture(b"nothing")


def test_repeated_letters_need_a_blank_between_them() -> None:
    with imported("paddleocr", "lines") as (lines,):
        steps = lines.np.eye(3)[[0, 1, 1, 0, 1, 2, 2, 0]] * 0.9
        text, sure = lines.decode(steps, "AB")
    assert text == "AAB"
    assert sure == pytest.approx(0.9)
