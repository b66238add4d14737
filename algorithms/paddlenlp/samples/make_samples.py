"""Makes orders/: sentences of a post room with the city and the day in them, and a small UIE without weights.

They show that the whole walk runs without PaddleNLP's hub; a model worth using begins with `uie-base`.
"""

import json
import random
from pathlib import Path

HERE = Path(__file__).parent / "orders"
CITIES = ["oslo", "berlin", "lima", "quito", "porto", "lyon", "turin", "accra", "hanoi", "kyoto", "perth", "salem"]
DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
SHAPES = [
    "send {n} boxes to {city} on {day}",
    "the {city} order leaves {day} with {n} parcels",
    "on {day} we ship {n} crates from {city}",
    "{n} letters for {city} , not before {day}",
]
SMALL = {
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128,
    "max_position_embeddings": 128, "type_vocab_size": 4, "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0, "model_type": "ernie", "pad_token_id": 0, "use_task_id": False,
}  # fmt: skip


def main() -> None:
    draw = random.Random(3)
    words = {"city", "day"}
    for name, count in (("train.txt", 240), ("dev.txt", 40)):
        lines = []
        for _ in range(count):
            known = {"city": draw.choice(CITIES), "day": draw.choice(DAYS)}
            content = draw.choice(SHAPES).format(n=draw.randint(1, 9), **known)
            words |= set(content.split())
            for prompt, text in known.items():
                start = content.index(text)
                result = {"text": text, "start": start, "end": start + len(text)}
                lines.append(json.dumps({"content": content, "prompt": prompt, "result_list": [result]}) + "\n")
        (HERE / name).write_text("".join(lines), "utf-8")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(words)]
    (HERE / "model" / "vocab.txt").write_text("".join(f"{word}\n" for word in vocabulary), "utf-8")
    config = {**SMALL, "vocab_size": len(vocabulary)}
    (HERE / "model" / "config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
