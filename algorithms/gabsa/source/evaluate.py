"""Processing stage: the scores of the channel `test` -> evaluation.json, the property file of the pipeline.

train.py measured them and left them in the model archive: this job has the framework's image alone, without the
libraries that generate text.
"""

import json
import sys
import tarfile
from pathlib import Path

import job


def main() -> None:
    report = scores_of(job.BASE / "processing" / "model" / "model.tar.gz")
    path = job.BASE / "processing" / "evaluation" / "evaluation.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"metrics": {name: {"value": value} for name, value in report.items()}}, indent=2))
    print(", ".join(f"{name}={value:.4f}" for name, value in report.items()))


def scores_of(archive: Path) -> dict:
    """What metrics.json in the archive says. Raises Problem."""
    try:
        with tarfile.open(str(archive)) as tar:
            file = tar.extractfile(member(tar))
            found = json.loads(file.read().decode("utf-8"))
    except (OSError, EOFError, KeyError, ValueError, tarfile.TarError) as error:
        raise job.Problem(f"model.tar.gz cannot be read, or holds no metrics.json: {error}.") from error
    return {name: float(value) for name, value in found.items()}


def member(tar: tarfile.TarFile) -> tarfile.TarInfo:
    for entry in tar:
        if entry.isfile() and entry.name in ("metrics.json", "./metrics.json"):
            return entry
    raise KeyError("metrics.json")


if __name__ == "__main__":
    sys.exit(job.run(main, job.PROCESSING_REPORT))
