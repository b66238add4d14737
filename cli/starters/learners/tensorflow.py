"""A small network of Keras, kept as the SavedModel that TensorFlow Serving reads: fit, save, load, probabilities."""

import numpy as np
import tensorflow as tf

HIDDEN = 16


def fit(numbers, labels, classes, options):
    """`numbers` is rows x columns around zero, `labels` the number of each row's class, below `classes`."""
    tf.keras.utils.set_random_seed(options.seed)
    model = tf.keras.Sequential(
        [
            tf.keras.layers.Input((numbers.shape[1],)),
            tf.keras.layers.Dense(HIDDEN, activation="relu"),
            tf.keras.layers.Dense(classes, activation="softmax"),
        ]
    )
    model.compile(tf.keras.optimizers.Adam(options.learning_rate), "sparse_categorical_crossentropy")
    model.fit(numbers, labels, epochs=options.epochs, verbose=0)
    return model


def save(model, folder):
    model.export(str(folder / "1"))


def load(folder):
    return tf.saved_model.load(str(folder / "1"))


def probabilities(model, numbers):
    """Rows x classes."""
    answer = getattr(model, "serve", model)  # A SavedModel has the function that `export` gave it.
    return np.asarray(answer(tf.constant(numbers, tf.float32)))
