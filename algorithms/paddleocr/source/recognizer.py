"""The recognizer: convolutions, a recurrent layer and CTC, small enough to learn on a processor.

It takes what PaddleOCR's recognizers take and answers what they answer, so PaddleOCR itself can read with it.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

# The program format that PaddleOCR 2 and jit.load both know; Paddle reads this when it is imported.
os.environ.setdefault("FLAGS_enable_pir_api", "0")

import lines
import numpy as np
import paddle
from paddle import nn

WEIGHTS, DESCRIPTION, FOLDER = "recognizer.pdparams", "recognizer.json", "rec"


class Recognizer(nn.Layer):
    """Batch x 3 x 32 x width -> batch x width/4 x classes: scores in training, probabilities afterwards."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        # Steps instead of pooling: on a processor nearly all the time goes into the wide first layers.
        self.seen = nn.Sequential(
            *_convolution(3, 24, 3, (2, 2), (1, 1)),
            *_convolution(24, 48, 3, (2, 2), (1, 1)),
            *_convolution(48, 96, 3, (2, 1), (1, 1)),
            *_convolution(96, 128, (4, 3), (1, 1), (0, 1)),
        )
        self.read = nn.GRU(128, 64, direction="bidirect")
        self.scores = nn.Linear(128, classes)

    def forward(self, images: Any) -> Any:
        seen = self.seen(images).squeeze(2).transpose([0, 2, 1])
        scores = self.scores(self.read(seen)[0])
        return scores if self.training else nn.functional.softmax(scores, axis=2)


def _convolution(inputs: int, outputs: int, size: Any, step: Any, padding: Any) -> list[Any]:
    return [
        nn.Conv2D(inputs, outputs, size, stride=step, padding=padding, bias_attr=False),
        nn.BatchNorm2D(outputs),
        nn.ReLU(),
    ]


def begin(alphabet: str, pretrained: Path, seed: int) -> Recognizer:
    """A new recognizer, with the weights of an earlier one where `pretrained` holds one.

    The last layer starts afresh where the earlier one knew other letters.
    """
    paddle.seed(seed)
    network = Recognizer(len(alphabet) + 1)
    if (pretrained / WEIGHTS).is_file():
        known = json.loads((pretrained / DESCRIPTION).read_text("utf-8"))["alphabet"]
        weights = paddle.load(str(pretrained / WEIGHTS))
        if known != alphabet:
            weights = {name: weight for name, weight in weights.items() if not name.startswith("scores.")}
        network.set_state_dict(weights)
    return network


def fit(
    network: Recognizer,
    images: Sequence[np.ndarray],
    targets: Sequence[Sequence[int]],
    options: Any,
    say: Callable[[str], None],
) -> None:
    """Learn to read `images` as `targets`, which are classes from 1 on."""
    random.seed(options.seed)
    steps = options.epochs * -(-len(images) // options.batch_size)
    rate = paddle.optimizer.lr.OneCycleLR(options.learning_rate, total_steps=steps + 1, phase_pct=0.2)
    optimizer = paddle.optimizer.Adam(
        rate, parameters=network.parameters(), grad_clip=nn.ClipGradByGlobalNorm(5.0), weight_decay=1e-5
    )
    for epoch in range(1, options.epochs + 1):
        network.train()
        losses = []
        for chosen in _batches(images, options.batch_size):
            loss = _loss(network, [_moved(images[one]) for one in chosen], [targets[one] for one in chosen])
            loss.backward()
            optimizer.step()
            optimizer.clear_grad()
            rate.step()
            losses.append(float(loss))
        say(f"epoch {epoch}: loss={sum(losses) / len(losses):.4f}")


def read(network: Any, images: Sequence[np.ndarray], alphabet: str, at_once: int = 32) -> list[tuple[str, float]]:
    """The text of each image and how sure it is."""
    network.eval()
    found: list[tuple[str, float]] = []
    with paddle.no_grad():
        for start in range(0, len(images), at_once):
            answers = network(paddle.to_tensor(lines.batch(images[start : start + at_once]))).numpy()
            found.extend(lines.decode(answer, alphabet) for answer in answers)
    return found


def save(network: Recognizer, alphabet: str, folder: Path) -> None:
    """`rec/` as PaddleOCR has its models, and the weights to go on from another time."""
    folder.mkdir(parents=True, exist_ok=True)
    paddle.save(network.state_dict(), str(folder / WEIGHTS))
    (folder / DESCRIPTION).write_text(json.dumps({"alphabet": alphabet}, ensure_ascii=False) + "\n", "utf-8")
    network.eval()
    shape = paddle.static.InputSpec([None, 3, lines.HEIGHT, None], "float32", "x")
    paddle.jit.save(network, str(folder / FOLDER / "inference"), input_spec=[shape])
    (folder / FOLDER / "dict.txt").write_text("".join(f"{letter}\n" for letter in alphabet), "utf-8")


def load(folder: Path) -> tuple[Any, str]:
    """What lies in `rec/`: the network and its alphabet."""
    alphabet = "".join((folder / "dict.txt").read_text("utf-8").split("\n")[:-1])
    return paddle.jit.load(str(folder / "inference")), alphabet


def _batches(images: Sequence[np.ndarray], size: int) -> Iterator[list[int]]:
    """Batches of images of much the same width, in another order each time."""
    order = sorted(range(len(images)), key=lambda one: images[one].shape[2] + random.random() * 24)
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    random.shuffle(batches)
    return iter(batches)


def _moved(image: np.ndarray) -> np.ndarray:
    """The image a little higher or lower, lighter or darker, so that each epoch sees others."""
    moved = np.roll(image, random.randint(-2, 2), axis=1)
    return np.clip(moved * random.uniform(0.8, 1.1) + random.uniform(-0.1, 0.1), -1, 1)


def _loss(network: Recognizer, images: Sequence[np.ndarray], targets: Sequence[Sequence[int]]) -> Any:
    scores = network(paddle.to_tensor(lines.batch(images, random.choice((0, 0, 32)))))
    longest = max(len(target) for target in targets)
    labels = np.zeros((len(targets), longest), dtype="int32")
    for row, target in enumerate(targets):
        labels[row, : len(target)] = target
    return nn.functional.ctc_loss(
        scores.transpose([1, 0, 2]),
        paddle.to_tensor(labels),
        paddle.full([len(targets)], scores.shape[1], "int64"),
        paddle.to_tensor(np.array([len(target) for target in targets], dtype="int64")),
    )
