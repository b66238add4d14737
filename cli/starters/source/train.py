"""The step Train: the channel train -> the model's folder. `learner.py` is the part that knows the framework."""

import argparse
import json
import os
import shutil
from pathlib import Path

import learner
import numpy as np
import table


def main():
    options = argparse.ArgumentParser(allow_abbrev=False)
    options.add_argument("--target", default="label")
    options.add_argument("--ignore", default="")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--epochs", type=int, default=100)
    options.add_argument("--learning_rate", type=float, default=0.05)
    given, _ = options.parse_known_args()
    data = table.read(os.environ["SM_CHANNEL_TRAIN"], given.target, given.ignore)
    classes, labels = np.unique(data.labels, return_inverse=True)
    folder = Path(os.environ["SM_MODEL_DIR"])
    folder.mkdir(parents=True, exist_ok=True)
    # Numbers of one size: what is learned does not depend on the units of the columns.
    mean, scale = data.numbers.mean(axis=0), data.numbers.std(axis=0) + 1e-6
    model = learner.fit((data.numbers - mean) / scale, labels, len(classes), given)
    learner.save(model, folder)
    described = {"names": data.names, "classes": classes.tolist(), "mean": mean.tolist(), "scale": scale.tolist()}
    # Most of SageMaker's serving images take the scripts from the archive: code/.
    shutil.copytree(Path(__file__).parent, folder / "code", ignore=shutil.ignore_patterns("__pycache__"))
    for place in (folder, folder / "code"):
        (place / "table.json").write_text(json.dumps(described))
    found = learner.probabilities(model, (data.numbers - mean) / scale).argmax(axis=1)
    print(f"{len(labels)} rows, {len(classes)} classes; train accuracy={np.mean(found == labels):.4f};")


if __name__ == "__main__":
    main()
