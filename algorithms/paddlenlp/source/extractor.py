"""UIE of PaddleNLP: for each token the probability that an answer begins, or ends, there."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import examples
import numpy as np
import paddle
from examples import Example
from paddlenlp.transformers import UIE, ErnieConfig, ErnieTokenizer

WEIGHTS = "model_state.pdparams"


class Extractor:
    """A model with its tokenizer."""

    def __init__(self, model: Any, tokenizer: Any, longest: int) -> None:
        self.model, self.tokenizer, self.longest = model, tokenizer, longest

    def tokens(self, pairs: Sequence[Any]) -> tuple[dict[str, Any], list[Any], list[int]]:
        """The network's input for (prompt, content) pairs, the offsets of each text's tokens, and where these begin."""
        encoded = [
            self.tokenizer(
                prompt, content, max_seq_len=self.longest, truncation="longest_first", return_offsets_mapping=True
            )
            for prompt, content in pairs
        ]
        width = max(len(one["input_ids"]) for one in encoded)
        fields = {name: np.zeros((len(encoded), width), dtype="int64") for name in ("input_ids", "token_type_ids")}
        fields["input_ids"][:] = self.tokenizer.pad_token_id
        offsets, begins = [], []
        for row, one in enumerate(encoded):
            for name, field in fields.items():
                field[row, : len(one[name])] = one[name]
            # Second segment: its tokens, then a last separator that covers nothing.
            begin = one["token_type_ids"].index(1)
            begins.append(begin)
            offsets.append(one["offset_mapping"][begin : len(one["input_ids"]) - 1])
        return {name: paddle.to_tensor(field) for name, field in fields.items()}, offsets, begins

    def find(self, pairs: Sequence[Any], at_once: int = 16) -> list[list[Any]]:
        """(begin, end, probability) of the spans of each text that answer its prompt."""
        self.model.eval()
        found: list[list[Any]] = []
        with paddle.no_grad():
            for start in range(0, len(pairs), at_once):
                fields, offsets, begins = self.tokens(pairs[start : start + at_once])
                starts, ends = (answer.numpy() for answer in self.model(**fields))
                for row, (places, begin) in enumerate(zip(offsets, begins)):
                    text = slice(begin, begin + len(places))
                    found.append(examples.spans(starts[row][text], ends[row][text], places))
        return found

    def save(self, folder: Path) -> None:
        self.model.save_pretrained(str(folder))
        self.tokenizer.save_pretrained(str(folder))


def load(name: str, folder: Path, longest: int) -> Extractor:
    """The model of a folder inside `folder`, or of PaddleNLP's hub. Without weights it begins with random ones."""
    place = folder / name
    if not place.is_dir():
        return Extractor(UIE.from_pretrained(name), ErnieTokenizer.from_pretrained(name), longest)
    tokenizer = ErnieTokenizer.from_pretrained(str(place))
    if (place / WEIGHTS).is_file():
        return Extractor(UIE.from_pretrained(str(place)), tokenizer, longest)
    return Extractor(UIE(ErnieConfig.from_pretrained(str(place))), tokenizer, longest)


def fit(extractor: Extractor, train: Sequence[Example], options: Any, look: Callable[[int], None]) -> None:
    """Learn from the examples; `look` is called every `valid_steps` and at the end."""
    random.seed(options.seed)
    optimizer = paddle.optimizer.AdamW(options.learning_rate, parameters=extractor.model.parameters())
    step = 0
    for _ in range(options.num_epochs):
        order = random.sample(range(len(train)), len(train))
        for start in range(0, len(order), options.batch_size):
            loss = _loss(extractor, [train[one] for one in order[start : start + options.batch_size]])
            loss.backward()
            optimizer.step()
            optimizer.clear_grad()
            step += 1
            if step % options.logging_steps == 0:
                print(f"step {step}: loss={float(loss):.5f}", flush=True)
            if step % options.valid_steps == 0:
                look(step)
    if step % options.valid_steps:
        look(step)


def _loss(extractor: Extractor, chosen: Sequence[Example]) -> Any:
    extractor.model.train()
    fields, offsets, begins = extractor.tokens([(one.prompt, one.content) for one in chosen])
    starts, ends = extractor.model(**fields)
    wanted = np.zeros((2, *starts.shape), dtype="float32")
    for row, (example, places, begin) in enumerate(zip(chosen, offsets, begins)):
        for first, last in example.spans:
            wanted[0, row, [begin + i for i, place in enumerate(places) if place[0] <= first < place[1]]] = 1
            wanted[1, row, [begin + i for i, place in enumerate(places) if place[0] < last <= place[1]]] = 1
    criterion = paddle.nn.BCELoss()
    return (criterion(starts, paddle.to_tensor(wanted[0])) + criterion(ends, paddle.to_tensor(wanted[1]))) / 2
