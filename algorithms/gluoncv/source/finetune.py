"""Entry point of the training job in script mode: hyperparameters arrive as arguments, places as SM_* variables."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dataset
import job
import model as models
import mxnet
import numpy as np
from mxnet import autograd, gluon

SMALLEST, LARGEST = 32, 224
"""Sides of the images where the hyperparameter leaves the choice: the networks halve them five times."""


def main() -> None:
    options = arguments(sys.argv[1:])
    mxnet.random.seed(options.seed)
    np.random.seed(options.seed)
    train = dataset.folders(options.train)
    classes = list(train)
    if len(classes) > options.classes:
        raise job.Problem(f"The dataset has {len(classes)} classes; the hyperparameter classes is {options.classes}.")
    size = options.image_size or chosen_size(path for paths in train.values() for path in paths)
    network = prepared(options)
    trained = models.Model(network, classes, size)
    network.hybridize()
    fit(trained, train, options)
    models.save(network, options.model_dir, described(options, trained))
    # The archive serves by itself: the framework's server looks for the scripts here.
    unwanted = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(__file__).parent, options.model_dir / "code", ignore=unwanted, dirs_exist_ok=True)
    for name in ("val", "test"):
        channel = getattr(options, name)
        if channel.is_dir() and any(channel.iterdir()):
            scored = models.scores(trained, dataset.folders(channel))
            print("; ".join(f"{name} {metric}={value:.4f}" for metric, value in scored.items()), flush=True)


def prepared(options: argparse.Namespace) -> Any:
    """The network before training, with the weights that the dataset or the zoo gives it."""
    network = models.build(options.model_name, options.classes, from_zoo=options.pretrained == "yes")
    weights = options.train / dataset.WEIGHTS
    if weights.is_file():
        try:
            given = mxnet.nd.load(str(weights))
        except mxnet.base.MXNetError as error:
            raise job.Problem("The .params file of the dataset cannot be read by MXNet.") from error
        taken = models.take(network, given)
        if taken == 0:
            raise job.Problem(f"The .params file of the dataset has no parameter of {options.model_name}.")
        print(f"training begins from {taken} parameters of the dataset")
    return network


def chosen_size(paths: Any) -> int:
    """The longest side of any training image, within what the networks are for."""
    longest = max(max(dataset.size_of(path)) for path in paths)
    return int(min(max(longest, SMALLEST), LARGEST))


def fit(trained: models.Model, train: dict[str, list[Path]], options: argparse.Namespace) -> None:
    files = [(path, label) for label, name in enumerate(trained.classes) for path in train[name]]
    loader = gluon.data.DataLoader(
        gluon.data.SimpleDataset(files).transform(lambda path, label: (_pixels(path, trained.size), label), lazy=True),
        batch_size=options.batch_size,
        shuffle=True,
        # A last batch of one image would upset the networks' batch normalization.
        last_batch="discard" if len(files) >= options.batch_size else "keep",
        num_workers=min(options.num_workers, os.cpu_count() or 1),
        thread_pool=True,
    )
    steps = {"learning_rate": options.learning_rate, "momentum": options.momentum, "wd": options.wd}
    trainer = gluon.Trainer(trained.network.collect_params(), "sgd", steps)
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()
    for epoch in range(1, options.epochs + 1):
        losses = [_step(trained.network, trainer, loss_of, pixels, labels) for pixels, labels in loader]
        # One line a round, which algorithm.yaml's metrics read.
        print(f"epoch {epoch}: train loss={float(np.mean(losses)):.4f}", flush=True)


def _step(network: Any, trainer: Any, loss_of: Any, pixels: Any, labels: Any) -> float:
    pixels, labels = pixels.as_in_context(models.context()), labels.as_in_context(models.context())
    # MXNet learns a normalization's statistics on the way back: where the first layer is one, as in ResNet v2, it has
    # none unless the gradient goes down to the pixels, and the finished network would not see what it trained on.
    pixels.attach_grad()
    with autograd.record():
        loss = loss_of(network(pixels), labels)
    loss.backward()
    trainer.step(len(labels))
    return float(loss.mean().asscalar())


def _pixels(path: str, size: int) -> Any:
    return models.images([Path(path).read_bytes()], size)[0]


def arguments(given: list[str]) -> argparse.Namespace:
    parser = job.Arguments(allow_abbrev=False)
    parser.option("classes", job.whole_number(2), 10)
    parser.option("batch_size", job.whole_number(1), 8)
    parser.option("epochs", job.whole_number(1), 20)
    parser.option("learning_rate", job.number_between(0.000001, 10), 0.001)
    parser.option("momentum", job.number_between(0, 0.999), 0.9)
    parser.option("wd", job.number_between(0, 1), 0.0001)
    parser.option("num_workers", job.whole_number(0), 8)
    parser.option("model_name", str, "ResNet50_v2")
    parser.option("pretrained", job.one_of("no", "yes"), "no")
    parser.option("image_size", job.whole_number(0), 0)
    parser.option("test_fraction", job.number_between(0.01, 0.5), 0.2)  # these three are used by process.py
    parser.option("val_fraction", job.number_between(0.01, 0.4), 0.1)
    parser.option("seed", job.whole_number(0), 13)
    data = job.BASE / "input" / "data"
    parser.option("model_dir", Path, os.environ.get("SM_MODEL_DIR", job.BASE / "model"))
    for name in dataset.SPLITS:
        parser.option(name, Path, os.environ.get(f"SM_CHANNEL_{name.upper()}", data / name))
    options, unknown = parser.parse_known_args(given)
    if unknown:
        print(f"These arguments are not used here: {' '.join(unknown)}", file=sys.stderr)
    return options


def described(options: argparse.Namespace, trained: models.Model) -> dict[str, object]:
    """model.json: what `models.load` needs, and how it came about."""
    places: Sequence[str] = ("model_dir", *dataset.SPLITS)
    return {
        "model_name": options.model_name,
        "outputs": options.classes,
        "classes": list(trained.classes),
        "image_size": trained.size,
        "hyperparameters": {name: value for name, value in vars(options).items() if name not in places},
    }


if __name__ == "__main__":
    sys.exit(job.run(main, job.TRAINING_REPORT))
