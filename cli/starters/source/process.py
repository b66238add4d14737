"""The step Process: the upload -> the channels train and test, split the same way each time for one seed."""

import argparse
from pathlib import Path

import numpy as np
import table

BASE = Path("/opt/ml/processing")


def main():
    options = argparse.ArgumentParser(allow_abbrev=False)
    options.add_argument("--target", default="label")
    options.add_argument("--ignore", default="")
    options.add_argument("--test_fraction", type=float, default=0.2)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    whole = table.read(BASE / "input" / "data", given.target, given.ignore)
    rows = np.random.default_rng(given.seed).permutation(len(whole.labels))
    held_out = max(1, round(len(rows) * given.test_fraction))
    for channel, chosen in (("test", rows[:held_out]), ("train", rows[held_out:])):
        part = table.Table(whole.names, whole.numbers[chosen], whole.labels[chosen])
        table.write(part, given.target, BASE / "output" / channel / f"{channel}.csv")
    print(f"{len(rows) - held_out} rows for training, {held_out} held out")


if __name__ == "__main__":
    main()
