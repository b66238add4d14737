"""A small network of MXNet's Gluon: fit, save, load, and ask for probabilities."""

import json

import mxnet as mx
from mxnet import autograd, gluon

HIDDEN = 16


def fit(numbers, labels, classes, options):
    """`numbers` is rows x columns around zero, `labels` the number of each row's class, below `classes`."""
    mx.random.seed(options.seed)
    model = network(classes)
    model.initialize(mx.init.Xavier())
    trainer = gluon.Trainer(model.collect_params(), "adam", {"learning_rate": options.learning_rate})
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    rows, wanted = mx.nd.array(numbers), mx.nd.array(labels)
    for _ in range(options.epochs):
        with autograd.record():
            error = loss(model(rows), wanted)
        error.backward()
        trainer.step(len(labels))
    return model


def network(classes):
    model = gluon.nn.HybridSequential()
    model.add(gluon.nn.Dense(HIDDEN, activation="relu"), gluon.nn.Dense(classes))
    return model


def save(model, folder):
    (folder / "shape.json").write_text(json.dumps(model[1]._units))
    model.save_parameters(str(folder / "weights.params"))


def load(folder):
    model = network(json.loads((folder / "shape.json").read_text()))
    model.load_parameters(str(folder / "weights.params"))
    return model


def probabilities(model, numbers):
    """Rows x classes."""
    return mx.nd.softmax(model(mx.nd.array(numbers)), axis=1).asnumpy()
