"""stylegan and yolov7 up to the authors' code, which a script stands for here: what it is called with and what is kept.

The code itself needs a GPU and is fetched when the images are built; neither happens here.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.algorithms.environments import ALGORITHMS, environment

STYLEGAN = ALGORITHMS / "stylegan"
YOLOV7 = ALGORITHMS / "yolov7"
DOCKERFILES = sorted(folder / end / "Dockerfile" for folder in (STYLEGAN, YOLOV7) for end in ("training", "inference"))
GENERIC = ALGORITHMS / "generic" / "container" / "requirements.txt"

UPSTREAM = """import json, os, pathlib, sys
here = pathlib.Path(__file__)
with (here.parent / "calls").open("a") as calls:
    calls.write(json.dumps([here.name, *sys.argv[1:]]) + "\\n")
for name in os.environ.get("LEAVES", "").split():
    path = pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"]) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(name)
sys.exit(int(os.environ.get("CODE", "0")))
"""
# The two modules of the toolkit and of upstream that a handler imports, as far as it uses them.
ERRORS = """class BaseInferenceToolkitError(Exception):
    def __init__(self, status_code, message, phrase):
        super().__init__(message)
        self.status_code = status_code
"""


class Job:
    """One training job's folders, with a script in the place of upstream's."""

    def __init__(self, base: Path, script: Path) -> None:
        self.base, self.script = base, script
        self.upstream = base / "upstream"
        self.data = base / "input" / "data"
        self.upstream.mkdir(parents=True)
        for name in ("train.py", "dataset_tool.py"):
            (self.upstream / name).write_text(UPSTREAM)

    def put(self, name: str, content: str = "") -> None:
        path = self.base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def run(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        told = {
            "UPSTREAM_DIR": str(self.upstream),
            "SM_INPUT_DIR": str(self.base / "input"),
            "SM_CHANNEL_DATA": str(self.data / "data"),
            "SM_MODEL_DIR": str(self.base / "model"),
            "SM_OUTPUT_DATA_DIR": str(self.base / "output"),
            **variables,
        }
        command = [sys.executable, "-S", str(self.script), *arguments]
        return subprocess.run(command, env={**os.environ, **told}, capture_output=True, text=True, check=False)

    @property
    def calls(self) -> list[list[str]]:
        noted = self.upstream / "calls"
        return [json.loads(line) for line in noted.read_text().splitlines()] if noted.exists() else []

    @property
    def model(self) -> dict[str, str]:
        folder = self.base / "model"
        return {file.name: file.read_text() for file in folder.iterdir()} if folder.exists() else {}


@pytest.fixture
def stylegan(tmp_path: Path) -> Job:
    return Job(tmp_path, STYLEGAN / "training" / "train.py")


@pytest.fixture
def yolov7(tmp_path: Path) -> Job:
    job = Job(tmp_path, YOLOV7 / "training" / "train.py")
    job.put("upstream/cfg/training/yolov7.yaml")
    job.put("upstream/data/hyp.scratch.p5.yaml")
    job.put("input/data/cfg/data.yaml")
    return job


def test_stylegan_trains_on_the_channel_and_keeps_the_last_snapshot_only(stylegan: Job) -> None:
    leaves = "00000-data/network-snapshot-000200.pkl 00000-data/network-snapshot-001000.pkl 00000-data/fakes.png"
    done = stylegan.run("--kimg", "1000", "--gpus", "2", LEAVES=leaves)
    assert done.returncode == 0, done.stderr
    assert stylegan.model == {"network.pkl": "00000-data/network-snapshot-001000.pkl"}
    ((script, *words),) = stylegan.calls
    assert script == "train.py"
    data = stylegan.data / "data"
    assert {"--gpus=2", "--kimg=1000", "--metrics=none", f"--data={data}"} <= set(words)


def test_stylegan_takes_the_one_zip_of_the_channel(stylegan: Job) -> None:
    stylegan.put("input/data/data/faces.zip")
    stylegan.run(LEAVES="network-snapshot-000000.pkl")
    assert f"--data={stylegan.data / 'data' / 'faces.zip'}" in stylegan.calls[0]
    stylegan.put("input/data/data/more.zip")
    assert "2 zip files; one is expected" in stylegan.run().stderr


def test_stylegan_prepares_images_of_any_size_when_a_resolution_is_given(stylegan: Job) -> None:
    stylegan.run("--resolution", "256", LEAVES="dataset.zip network-snapshot-000000.pkl")
    prepared = stylegan.base / "output" / "dataset.zip"
    assert stylegan.calls[0][:5] == [
        "dataset_tool.py",
        "--source",
        str(stylegan.data / "data"),
        "--dest",
        str(prepared),
    ]
    assert f"--data={prepared}" in stylegan.calls[1]
    assert not prepared.exists()


def test_a_training_that_fails_or_leaves_nothing_fails_the_job(stylegan: Job) -> None:
    assert "ended with 9" in stylegan.run(CODE="9").stderr
    assert "left no snapshot" in stylegan.run().stderr


def test_yolov7_that_leaves_nothing_fails_the_job(yolov7: Job) -> None:
    failed = yolov7.run()
    assert failed.returncode == 1
    assert "left no checkpoint" in failed.stderr


def test_yolov7_trains_from_the_channels_weights_and_keeps_the_best_checkpoint(yolov7: Job) -> None:
    yolov7.put("input/data/weights/yolov7_training.pt")
    yolov7.put("input/data/cfg/yolov7.yaml", "own")
    done = yolov7.run("--batch_size", "4", LEAVES="run/weights/best.pt run/weights/last.pt")
    assert done.returncode == 0, done.stderr
    assert yolov7.model == {"model.pt": "run/weights/best.pt"}
    words = yolov7.calls[0]
    given = {word: words[at + 1] for at, word in enumerate(words) if word.startswith("--") and word != "--exist-ok"}
    assert given["--weights"] == str(yolov7.data / "weights" / "yolov7_training.pt")
    assert given["--cfg"] == str(yolov7.data / "cfg" / "yolov7.yaml")
    assert given["--hyp"] == str(yolov7.upstream / "data" / "hyp.scratch.p5.yaml")
    assert given["--batch-size"] == "4"


def test_yolov7_without_weights_fetches_none(yolov7: Job) -> None:
    done = yolov7.run(LEAVES="run/weights/last.pt")
    assert yolov7.calls[0][yolov7.calls[0].index("--weights") + 1] == ""
    assert "training starts from nothing" in done.stdout
    assert yolov7.model == {"model.pt": "run/weights/last.pt"}


def test_yolov7_names_the_configurations_there_are(yolov7: Job) -> None:
    assert "huge.yaml is neither in the channel cfg nor one of yolov7.yaml" in yolov7.run("--cfg", "huge.yaml").stderr


def handled(tmp_path: Path, handler: Path, program: str) -> str:
    """What a program prints that has a handler's module at hand, without torch."""
    package = tmp_path / "sagemaker_inference"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "errors.py").write_text(ERRORS)
    told = {"PYTHONPATH": f"{tmp_path}:{handler}", "PYTHONDONTWRITEBYTECODE": "1"}
    python = str(environment(GENERIC) / "python")
    done = subprocess.run([python, "-c", program], env=told, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_stylegan_draws_what_is_asked_for_and_refuses_the_rest(tmp_path: Path) -> None:
    program = """import inference as i, numpy as np
print(i.input_fn('{"seeds": [1, 2], "truncation_psi": 0.5, "class": 3}', i.JSON))
print(i.output_fn(np.zeros((4, 8, 3), np.uint8), i.JSON)[1])
for body in ('{', '[]', '{"seeds": []}', '{"seeds": [true]}', '{"truncation_psi": 9}', '{"class": 1.5}'):
    try:
        i.input_fn(body, i.JSON)
    except i.BaseInferenceToolkitError as error:
        print(error.status_code, error)
"""
    lines = handled(tmp_path, STYLEGAN / "inference", program).splitlines()
    assert lines[:2] == ["Request(seeds=[1, 2], truncation_psi=0.5, label=3)", "image/png"]
    assert len(lines) == 8
    assert all(line.startswith("400 ") for line in lines[2:])


def test_yolov7_reads_images_and_refuses_the_rest(tmp_path: Path) -> None:
    image = ALGORITHMS / "generic" / "samples" / "shapes.png"
    program = f"""import inference as i
body = open({str(image)!r}, 'rb').read()
print(i.input_fn(body, 'image/png').shape)
print(i.output_fn([{{'label': 'cat'}}], '*/*'))
for content, kind in ((b'no', 'image/png'), (body[:50], 'image/jpeg'), (body, 'text/csv')):
    try:
        i.input_fn(content, kind)
    except i.BaseInferenceToolkitError as error:
        print(error.status_code)
"""
    lines = handled(tmp_path, YOLOV7 / "inference", program).splitlines()
    assert lines == ["(200, 320, 3)", "('[{\"label\": \"cat\"}]', 'application/json')", "400", "400", "415"]


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: "-".join(path.parts[-3:-1]))
def test_an_image_is_made_of_pinned_parts(dockerfile: Path) -> None:
    text = dockerfile.read_text()
    for base in re.findall(r"^FROM (\S+)", text, re.MULTILINE):
        assert re.search(r":[\w.-]*\d", base), base
    assert re.findall(r"^ARG COMMIT=([0-9a-f]{40})$", text, re.MULTILINE)
    lines = (dockerfile.parent / "requirements.txt").read_text().splitlines()
    assert all("==" in line for line in lines if line and not line.startswith("#"))
    assert "Dockerfile" in (dockerfile.parent / ".dockerignore").read_text()


@pytest.mark.parametrize("folder", [STYLEGAN, YOLOV7], ids=["stylegan", "yolov7"])
def test_both_images_of_an_algorithm_hold_the_same_upstream(folder: Path) -> None:
    commits = {
        re.findall(r"^ARG (?:UPSTREAM|COMMIT)=(\S+)$", (folder / end / "Dockerfile").read_text(), re.MULTILINE)[at]
        for end in ("training", "inference")
        for at in (0, 1)
    }
    assert len(commits) == 2


@pytest.mark.parametrize("folder", [STYLEGAN, YOLOV7], ids=["stylegan", "yolov7"])
def test_a_serving_image_says_what_it_is_capable_of(folder: Path) -> None:
    text = (folder / "inference" / "Dockerfile").read_text()
    assert "com.amazonaws.sagemaker.capabilities.multi-models=true" in text
    assert "com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true" in text
