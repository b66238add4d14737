"""Entry point of the training job: UIE learns prompts and their answers; the best model on dev_path is kept."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import examples
import job

SCORES = "scores.json"


def main() -> None:
    options = arguments(sys.argv[1:])
    train, dev = examples.read(place(options.train_path)), examples.read(place(options.dev_path))
    # After the data is known to be good: PaddleNLP takes ten seconds to import.
    import extractor as models

    models.paddle.seed(options.seed)
    models.paddle.set_device(device(options.device, gpu=models.paddle.device.is_compiled_with_cuda()))
    extractor = models.load(options.model, place(options.train_path).parent, options.max_seq_len)
    save_dir, best = place(options.save_dir), -1.0
    wanted = [set(example.spans) for example in dev]

    def look(step: int) -> None:
        nonlocal best
        found = extractor.find([(example.prompt, example.content) for example in dev])
        scores = examples.score([{span[:2] for span in spans} for spans in found], wanted)
        print(f"step {step}: " + ", ".join(f"dev {name}={value:.4f}" for name, value in scores.items()), flush=True)
        if scores["f1"] > best:
            best = scores["f1"]
            extractor.save(save_dir)
            described = {**scores, "step": step, "max_seq_len": options.max_seq_len}
            (save_dir / SCORES).write_text(json.dumps(described) + "\n", "utf-8")

    models.fit(extractor, train, options, look)


def device(wanted: str, *, gpu: bool) -> str:
    if wanted == "gpu" and not gpu:
        print("There is no GPU that this PaddlePaddle can use: the processor learns.", flush=True)
        return "cpu"
    return wanted


def place(path: str) -> Path:
    """A path under /opt/ml, wherever that is."""
    below = Path(path)
    return job.BASE / below.relative_to("/opt/ml") if below.parts[:3] == ("/", "opt", "ml") else below


def arguments(given: list[str]) -> argparse.Namespace:
    parser = job.Arguments(allow_abbrev=False)
    dataset = "/opt/ml/input/data/dataset"
    parser.option("train_path", str, f"{dataset}/train.txt")
    parser.option("dev_path", str, f"{dataset}/dev.txt")
    parser.option("save_dir", str, os.environ.get("SM_MODEL_DIR", "/opt/ml/model"))
    parser.option("batch_size", job.whole_number(1), 16)
    parser.option("learning_rate", job.number_between(1e-7, 1), 1e-5)
    parser.option("max_seq_len", job.whole_number(16), 512)
    parser.option("num_epochs", job.whole_number(1), 100)
    parser.option("seed", job.whole_number(0), 1000)
    parser.option("logging_steps", job.whole_number(1), 10)
    parser.option("valid_steps", job.whole_number(1), 100)
    parser.option("device", job.one_of("cpu", "gpu"), "gpu")
    parser.option("model", str, "uie-base")
    options, unknown = parser.parse_known_args(given)
    if unknown:
        print(f"These arguments are not used here: {' '.join(unknown)}", file=sys.stderr)
    return options


if __name__ == "__main__":
    sys.exit(job.run(main, job.TRAINING_REPORT))
