"""The network: its input are pixels as they were sent, its output the probability of each digit."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from images import DIGITS, Images


def seed(number: int) -> None:
    """The same first weights and the same order of rows each time."""
    tf.keras.utils.set_random_seed(number)


def build(pixels: np.ndarray) -> Any:
    """An untrained network for images like these, which scales them by itself: a request sends pixels as they are."""
    side = math.isqrt(pixels.shape[1])
    brightest = float(max(pixels.max(), 1.0))
    layers = tf.keras.layers
    return tf.keras.Sequential(
        [
            layers.Input((side * side,), name="pixels"),
            layers.Rescaling(1 / brightest),
            layers.Reshape((side, side, 1)),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.2),
            layers.Dense(64, activation="relu"),
            layers.Dense(DIGITS, activation="softmax", name="probabilities"),
        ]
    )


def fit(model: Any, images: Images, epochs: int, batch_size: int, learning_rate: float) -> None:
    """Learn from the images; one line an epoch goes to the log."""
    model.compile(
        optimizer=tf.keras.optimizers.Adam(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(images.pixels.astype("float32"), images.digits, batch_size=batch_size, epochs=epochs, verbose=2)


def save(model: Any, folder: Path) -> None:
    """A SavedModel whose signature `serving_default` takes `pixels`."""
    model.export(str(folder), format="tf_saved_model", verbose=False)


def probabilities(model: Any, pixels: np.ndarray) -> np.ndarray:
    """Images x digits, of the network in memory."""
    return np.asarray(model.predict(pixels.astype("float32"), verbose=0))


def load(folder: Path) -> Any:
    """What `save` wrote, as a function from pixels to probabilities."""
    signature = tf.saved_model.load(str(folder)).signatures["serving_default"]

    def answer(pixels: np.ndarray) -> np.ndarray:
        (result,) = signature(**{_only(signature): tf.constant(pixels, tf.float32)}).values()
        return np.asarray(result)

    return answer


def _only(signature: Any) -> str:
    (name,) = signature.structured_input_signature[1]
    return str(name)
