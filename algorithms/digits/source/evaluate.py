"""Processing stage: the saved model's accuracy on the held-out images, as evaluation.json."""

import json
import sys
import tarfile
import tempfile
from pathlib import Path

import images
import job
import numpy as np
from train import VERSION


def main() -> None:
    place = job.BASE / "processing"
    test = images.read(place / "test")
    # After the data is known to be good: TensorFlow takes seconds to import.
    import network

    with tempfile.TemporaryDirectory() as folder:
        unpack(place / "model" / "model.tar.gz", Path(folder))
        found = network.load(Path(folder) / VERSION)(test.pixels)
    accuracy = float(np.mean(np.argmax(found, axis=1) == test.digits))
    report = {"metrics": {"accuracy": {"value": accuracy}, "rows": {"value": float(len(test.digits))}}}
    target = place / "evaluation" / "evaluation.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    print(f"accuracy={accuracy:.4f} of {len(test.digits)} images")


def unpack(archive: Path, folder: Path) -> None:
    if not archive.is_file():
        raise job.Problem("There is no model.tar.gz to evaluate.")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")


if __name__ == "__main__":
    sys.exit(job.run(main, job.PROCESSING_REPORT))
