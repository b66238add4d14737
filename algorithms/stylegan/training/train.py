"""The training script: the channel `data` -> a network, by NVIDIA's train.py, whose last snapshot becomes the model.

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
NETWORK = "network.pkl"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default=os.environ.get("SM_CHANNEL_DATA", "/opt/ml/input/data/data"))
    parser.add_argument("--runs", default=os.environ.get("SM_OUTPUT_DATA_DIR", "/opt/ml/output/data"))
    parser.add_argument("--outdir", default=os.environ.get("SM_MODEL_DIR", "/opt/ml/model"))
    parser.add_argument("--gpus", type=int, default=1)
    parser.add_argument("--kimg", type=int, default=1000)
    parser.add_argument("--resolution", type=int, default=0)
    parser.add_argument("--cfg", default="auto")
    parser.add_argument("--mirror", type=int, default=0)
    parser.add_argument("--aug", default="ada")
    parser.add_argument("--snap", type=int, default=50)
    parser.add_argument("--metrics", default="none")
    parser.add_argument("--resume", default="noresume")
    return parser.parse_args()


def dataset(channel: Path, resolution: int, runs: Path) -> Path:
    """The zip of the channel or its folder of images; cropped and scaled first when a resolution is asked for."""
    zips = sorted(channel.rglob("*.zip"))
    if len(zips) > 1:
        sys.exit(f"The channel data holds {len(zips)} zip files; one is expected, or a folder of images.")
    source = zips[0] if zips else channel
    if not resolution:
        return source
    prepared = runs / "dataset.zip"
    size = ["--width", str(resolution), "--height", str(resolution), "--transform", "center-crop"]
    run("dataset_tool.py", ["--source", str(source), "--dest", str(prepared), *size])
    return prepared


def run(script: str, options: list[str]) -> None:
    """One of upstream's scripts. Ends this one with the same code when it fails."""
    code = subprocess.run([sys.executable, str(UPSTREAM / script), *options], cwd=UPSTREAM, check=False).returncode
    if code:
        sys.exit(f"{script} ended with {code}.")


def last_snapshot(runs: Path) -> Path:
    found = sorted(runs.rglob("network-snapshot-*.pkl"), key=lambda path: path.name)
    if not found:
        sys.exit("The training left no snapshot: it ended before the first one was due.")
    return found[-1]


def main() -> None:
    options = arguments()
    runs = Path(options.runs)
    runs.mkdir(parents=True, exist_ok=True)
    data = dataset(Path(options.data), options.resolution, runs)
    given = {
        name: getattr(options, name) for name in ("gpus", "kimg", "cfg", "mirror", "aug", "snap", "metrics", "resume")
    }
    words = [f"--{name}={value}" for name, value in given.items()]
    run("train.py", [f"--outdir={runs}", f"--data={data}", *words])
    if data == runs / "dataset.zip":
        data.unlink()  # it would be uploaded with the job's output
    target = Path(options.outdir)
    target.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(last_snapshot(runs), target / NETWORK)
    print(f"{target / NETWORK}: {(target / NETWORK).stat().st_size} bytes")


if __name__ == "__main__":
    main()
