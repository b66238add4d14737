"""Processing stage: the uploaded images, checked and split into `train` and `test`."""

import argparse
import sys

import images
import job


def main() -> None:
    options = arguments(sys.argv[1:])
    whole = images.read(job.BASE / "processing" / "input" / "data")
    train, test = images.split(whole, options.test_fraction, options.seed)
    output = job.BASE / "processing" / "output"
    images.write(train, output / "train" / "train.csv")
    images.write(test, output / "test" / "test.csv")
    print(f"{len(whole.digits)} images: {len(train.digits)} for training, {len(test.digits)} held out")


def arguments(given: list[str]) -> argparse.Namespace:
    parser = job.Arguments(allow_abbrev=False)
    parser.option("test_fraction", job.number_between(0.01, 0.9), 0.2)
    parser.option("seed", job.whole_number(0), 13)
    return parser.parse_args(given)


if __name__ == "__main__":
    sys.exit(job.run(main, job.PROCESSING_REPORT))
