"""Entry point of the training job: the channel `dataset` -> a model that writes the opinions in a sentence."""

import json
import random
import shutil
import sys
from pathlib import Path

import job
import model as models
import torch
import triples


def main() -> None:
    options = arguments(sys.argv[1:])
    data = {
        "train": examples(job.place("SM_CHANNEL_DATASET", "input", "data", "dataset") / "train.txt", options.task),
        "dev": examples(job.place("SM_CHANNEL_DATASET", "input", "data", "dataset") / "dev.txt", options.task),
        "test": examples(job.place("SM_CHANNEL_TEST", "input", "data", "test") / "test.txt", options.task),
    }
    if not data["train"]:
        raise job.Problem("The channel dataset holds no train.txt with sentences in it.")
    generator = models.load(start(options.model_name_or_path), options.max_seq_length, options.seed)
    learn(generator, data["train"], options)
    folder = job.place("SM_MODEL_DIR", "model")
    generator.save(folder, {"task": options.task, "paradigm": options.paradigm, "longest": options.max_seq_length})
    hand_on_scripts(folder / "code")
    found = {name: measured(generator, data[name], options) for name in ("dev", "test") if data[name]}
    for name, scores in found.items():
        print("; ".join(f"{name}_{score}={value:.4f}" for score, value in scores.items()), flush=True)
    (folder / "metrics.json").write_text(json.dumps(found.get("test", {}), indent=2))


def start(name: str) -> str:
    """The channel `pretrained` where it holds a model, else what the hyperparameter names."""
    folder = job.place("SM_CHANNEL_PRETRAINED", "input", "data", "pretrained")
    return str(folder) if (folder / "config.json").is_file() else name


def examples(path: Path, task: str) -> list:
    try:
        return triples.read(path, task) if path.is_file() else []
    except ValueError as error:
        raise job.Problem(str(error)) from error


def learn(generator, data: list, options) -> None:
    """Every example once an epoch, in an order that the seed decides; the step size falls to nothing at the end."""
    batches = -(-len(data) // options.train_batch_size)
    steps = batches * options.num_train_epochs
    optimizer = torch.optim.AdamW(generator.model.parameters(), lr=options.learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: max(0.0, 1 - step / steps))
    order = random.Random(options.seed)
    generator.model.train()
    for epoch in range(1, options.num_train_epochs + 1):
        shuffled = order.sample(data, len(data))
        total = 0.0
        for begin in range(0, len(shuffled), options.train_batch_size):
            batch = shuffled[begin : begin + options.train_batch_size]
            loss = generator.loss([one.sentence for one in batch], [triples.written(one.found) for one in batch])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(generator.model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            total += float(loss.detach())
        print(f"epoch={epoch} train_loss={total / batches:.4f}", flush=True)


def measured(generator, data: list, options) -> dict:
    sentences = [one.sentence for one in data]
    texts = generator.say(sentences, options.eval_batch_size)
    predicted = [triples.said(text, sentences[index], options.task) for index, text in enumerate(texts)]
    return triples.scores([one.found for one in data], predicted)


def hand_on_scripts(code: Path) -> None:
    """The scripts in the archive, where SageMaker's PyTorch image looks for the one that serves."""
    shutil.copytree(str(Path(__file__).parent), str(code), ignore=shutil.ignore_patterns("__pycache__"))


def arguments(given: list):
    parser = job.Arguments(allow_abbrev=False)
    parser.add_argument("--task", choices=sorted(triples.PARTS), default="tasd")
    parser.add_argument("--paradigm", choices=["extraction"], default="extraction")
    parser.add_argument("--model_name_or_path", default="t5-base")
    parser.add_argument("--train_batch_size", type=int, default=2)
    parser.add_argument("--eval_batch_size", type=int, default=16)
    parser.add_argument("--learning_rate", type=float, default=3e-4)
    parser.add_argument("--num_train_epochs", type=int, default=4)
    parser.add_argument("--max_seq_length", type=int, default=128)
    parser.add_argument("--seed", type=int, default=42)
    options, _ = parser.parse_known_args(given)  # dataset and test_fraction are for process.py
    return options


if __name__ == "__main__":
    sys.exit(job.run(main, job.TRAINING_REPORT))
