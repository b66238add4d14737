"""The training script: the channels -> weights, by upstream's train.py, whose best checkpoint becomes the model.

The SageMaker training toolkit calls it with the hyperparameters as arguments and the paths as variables.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

UPSTREAM = Path(os.environ.get("UPSTREAM_DIR", "/opt/upstream"))
MODEL = "model.pt"
RUN = "run"


def arguments() -> argparse.Namespace:
    channels = Path(os.environ.get("SM_INPUT_DIR", "/opt/ml/input")) / "data"
    parser = argparse.ArgumentParser()
    parser.add_argument("--channels", default=str(channels))
    parser.add_argument("--model", default=os.environ.get("SM_MODEL_DIR", "/opt/ml/model"))
    parser.add_argument("--runs", default=os.environ.get("SM_OUTPUT_DATA_DIR", "/opt/ml/output/data"))
    parser.add_argument("--data", default=str(channels / "cfg" / "data.yaml"))
    parser.add_argument("--cfg", default="yolov7.yaml")
    parser.add_argument("--hyp", default="hyp.scratch.p5.yaml")
    parser.add_argument("--weights", default="yolov7_training.pt")
    parser.add_argument("--img", type=int, default=640)
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--device", default="0")
    return parser.parse_args()


def configuration(name: str, own: Path, upstream: str) -> Path:
    """A file of the channel cfg, else one that upstream brings."""
    for place in (own / name, UPSTREAM / upstream / name):
        if place.is_file():
            return place
    known = ", ".join(sorted(path.name for path in (UPSTREAM / upstream).glob("*.yaml")))
    sys.exit(f"{name} is neither in the channel cfg nor one of {known}.")


def weights(channel: Path, name: str) -> str:
    """The file to start from, or nothing: upstream would fetch one that is missing, which a VPC may forbid."""
    if name and (channel / name).is_file():
        return str(channel / name)
    print(f"There is no {name or 'file'} in the channel weights: training starts from nothing.")
    return ""


def checkpoint(folder: Path) -> Path:
    for name in ("best.pt", "last.pt"):
        if (folder / name).is_file():
            return folder / name
    sys.exit("The training left no checkpoint.")


def main() -> None:
    options = arguments()
    channels, runs = Path(options.channels), Path(options.runs)
    if not Path(options.data).is_file():
        sys.exit(f"{options.data} does not exist: the channel cfg must hold the dataset's description.")
    command = [
        *("--data", options.data),
        *("--cfg", str(configuration(options.cfg, channels / "cfg", "cfg/training"))),
        *("--hyp", str(configuration(options.hyp, channels / "cfg", "data"))),
        *("--weights", weights(channels / "weights", options.weights)),
        *("--img-size", str(options.img), str(options.img)),
        *("--batch-size", str(options.batch_size)),
        *("--epochs", str(options.epochs)),
        *("--workers", str(options.workers)),
        *("--device", options.device),
        *("--project", str(runs), "--name", RUN, "--exist-ok"),
    ]
    code = subprocess.run([sys.executable, str(UPSTREAM / "train.py"), *command], cwd=UPSTREAM, check=False).returncode
    if code:
        sys.exit(f"train.py ended with {code}.")
    target = Path(options.model) / MODEL
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(checkpoint(runs / RUN / "weights"), target)
    print(f"{target}: {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
