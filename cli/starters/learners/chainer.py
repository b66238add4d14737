"""A small network of Chainer: fit, save, load, and ask for probabilities."""

import json

import chainer
import chainer.functions as F  # noqa: N812 - Chainer's own habit
import chainer.links as L  # noqa: N812
import numpy as np

HIDDEN = 16


def fit(numbers, labels, classes, options):
    """`numbers` is rows x columns around zero, `labels` the number of each row's class, below `classes`."""
    np.random.seed(options.seed)
    model = network(numbers.shape[1], classes)
    optimizer = chainer.optimizers.Adam(alpha=options.learning_rate).setup(model)
    for _ in range(options.epochs):
        error = F.softmax_cross_entropy(model(numbers.astype("float32")), labels.astype("int32"))
        model.cleargrads()
        error.backward()
        optimizer.update()
    return model


def network(columns, classes):
    return chainer.Sequential(L.Linear(columns, HIDDEN), F.relu, L.Linear(HIDDEN, classes))


def save(model, folder):
    (folder / "shape.json").write_text(json.dumps([model[0].W.shape[1], model[2].W.shape[0]]))
    chainer.serializers.save_npz(str(folder / "weights.npz"), model)


def load(folder):
    model = network(*json.loads((folder / "shape.json").read_text()))
    chainer.serializers.load_npz(str(folder / "weights.npz"), model)
    return model


def probabilities(model, numbers):
    """Rows x classes."""
    with chainer.using_config("train", False), chainer.no_backprop_mode():
        return F.softmax(model(np.asarray(numbers, dtype="float32")), axis=1).array
