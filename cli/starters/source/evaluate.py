"""The step Evaluate: the trained model on the channel test -> evaluation.json, which the pipeline decides on."""

import argparse
import json
import tarfile
import tempfile
from pathlib import Path

import learner
import numpy as np
import table

BASE = Path("/opt/ml/processing")


def main():
    options = argparse.ArgumentParser(allow_abbrev=False)
    options.add_argument("--target", default="label")
    options.add_argument("--ignore", default="")
    given, _ = options.parse_known_args()
    test = table.read(BASE / "test", given.target, given.ignore)
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(BASE / "model" / "model.tar.gz") as archive:
            # Images with an older Python 3.8 know no filters; the archive is this pipeline's own.
            archive.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
        model, described = learner.load(Path(folder)), json.loads((Path(folder) / "table.json").read_text())
        numbers = (test.numbers - np.array(described["mean"])) / np.array(described["scale"])
        found = np.array(described["classes"])[learner.probabilities(model, numbers).argmax(axis=1)]
    accuracy = float(np.mean(found == test.labels))
    report = BASE / "evaluation" / "evaluation.json"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(json.dumps({"metrics": {"accuracy": {"value": accuracy}}}))
    # A request that the model answers: what is asked of it before it is deployed.
    report.with_name("sample").write_text(",".join(map(str, test.numbers[0].tolist())) + "\n")
    print(f"accuracy={accuracy:.4f};")


if __name__ == "__main__":
    main()
