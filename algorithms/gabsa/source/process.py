"""Processing stage: the uploaded folder -> the channels `dataset` (train.txt, dev.txt), `test` and `pretrained`."""

import random
import shutil
import sys
from pathlib import Path

import job
import triples

FEWEST_SENTENCES = 10
NO_MODEL = "no_model.txt"


def main() -> None:
    options = arguments(sys.argv[1:])
    upload = job.BASE / "processing" / "input" / "data"
    output = job.BASE / "processing" / "output"
    prepare(upload, output, options)


def prepare(upload: Path, output: Path, options) -> None:
    """Check every file and write the channels. Lines are handed on as they are."""
    source = folder_of(upload, options.dataset)
    files = {name: lines(source / f"{name}.txt", options.task) for name in ("train", "dev", "test")}
    if not files["train"]:
        raise job.Problem("The dataset holds no sentence to learn from: a file train.txt is needed.")
    if not files["test"]:
        files["train"], files["test"] = split(files["train"], options.test_fraction, options.seed)
    if len(files["train"]) < FEWEST_SENTENCES:
        raise job.Problem(f"train.txt has too few sentences: at least {FEWEST_SENTENCES} are needed to learn from.")
    places = {"train": "dataset", "dev": "dataset", "test": "test"}
    for name, channel in places.items():
        write(output / channel / f"{name}.txt", files[name])
    hand_on(upload / "pretrained", output / "pretrained")
    print(", ".join(f"{name}: {len(found)} sentences" for name, found in files.items()))


def folder_of(upload: Path, dataset: str) -> Path:
    """The folder of the upload that holds the files. Raises Problem."""
    source = (upload / dataset).resolve()
    if source != upload.resolve() and upload.resolve() not in source.parents:
        raise job.Problem(f"Hyperparameter dataset: expected a folder of the upload, found {dataset}.")
    if not source.is_dir():
        raise job.Problem(f"Hyperparameter dataset: the upload has no folder {dataset}.")
    return source


def lines(path: Path, task: str) -> list:
    """The lines of a file that are examples; none where there is no file. Raises Problem for the first that is not."""
    if not path.is_file():
        return []
    try:
        triples.read(path, task)
    except ValueError as error:
        raise job.Problem(str(error)) from error
    return [line for line in path.read_text("utf-8-sig").splitlines() if line.strip()]


def split(every: list, fraction: float, seed: int) -> tuple:
    """(to learn from, held out), the same way each time for one seed."""
    shuffled = list(every)
    random.Random(seed).shuffle(shuffled)
    held_out = max(1, round(len(shuffled) * fraction))
    return shuffled[held_out:], shuffled[:held_out]


def write(path: Path, content: list) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in content), "utf-8")


def hand_on(model: Path, channel: Path) -> None:
    """The uploaded model, or a note in its place: SageMaker refuses a channel without objects."""
    channel.mkdir(parents=True, exist_ok=True)
    for file in sorted(model.rglob("*")):
        if file.is_file():
            copy = channel / file.relative_to(model)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(file), str(copy))
    if any(channel.iterdir()):
        return
    (channel / NO_MODEL).write_text("The dataset came without a folder pretrained/.\n", "utf-8")


def arguments(given: list):
    parser = job.Arguments(allow_abbrev=False)
    parser.add_argument("--task", choices=sorted(triples.PARTS), default="tasd")
    parser.add_argument("--dataset", default=".")
    parser.add_argument("--test_fraction", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=42)
    return parser.parse_args(given)


if __name__ == "__main__":
    sys.exit(job.run(main, job.PROCESSING_REPORT))
