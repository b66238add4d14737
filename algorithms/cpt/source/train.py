"""Entry point of the training job: texts with summaries -> a model that writes summaries."""

import os
import random
import shutil
import sys
from pathlib import Path

import job
import model as models
import summaries
import torch


def main() -> None:
    options = arguments(sys.argv[1:])
    files = {"train": options.train_file, "validation": options.validation_file, "test": options.test_file}
    data = {name: examples(job.local(path), options) for name, path in files.items()}
    if not data["train"]:
        raise job.Problem(f"There is no text to learn from: {options.train_file} is missing or empty.")
    summarizer = models.load(start(options.model_name_or_path), options.seed)
    learn(summarizer, data["train"], options)
    folder = job.local(options.output_dir)
    summarizer.save(folder)
    hand_on_scripts(folder / "code")
    for name in ("validation", "test"):
        if data[name]:
            scores = measured(summarizer, data[name], options)
            print("; ".join(f"{name}_{score}={value:.4f}" for score, value in scores.items()), flush=True)


def start(name: str) -> str:
    """The channel `pretrained` where it holds a model, else the folder or the hub's model that is named."""
    folder = Path(os.environ.get("SM_CHANNEL_PRETRAINED", job.BASE / "input" / "data" / "pretrained"))
    return str(folder) if (folder / "config.json").is_file() else str(job.local(name))


def examples(path: Path, options) -> list:
    if not path.is_file():
        return []
    try:
        return summaries.read(path, options.path, options.text_column, options.summary_column)
    except ValueError as error:
        raise job.Problem(str(error)) from error


def learn(summarizer, data: list, options) -> None:
    """Every example once an epoch, in an order that the seed decides; the step size falls to nothing at the end."""
    size = options.per_device_train_batch_size
    batches = -(-len(data) // size)
    steps = batches * options.num_train_epochs
    optimizer = torch.optim.AdamW(summarizer.model.parameters(), lr=options.learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: max(0.0, 1 - step / steps))
    order = random.Random(options.seed)
    summarizer.model.train()
    for epoch in range(1, options.num_train_epochs + 1):
        shuffled = order.sample(data, len(data))
        total = 0.0
        for begin in range(0, len(shuffled), size):
            batch = shuffled[begin : begin + size]
            texts, wanted = [one.text for one in batch], [one.summary for one in batch]
            loss = summarizer.loss(texts, wanted, options.max_source_length, options.val_max_target_length)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(summarizer.model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            total += float(loss.detach())
        print(f"epoch={epoch} train_loss={total / batches:.4f}", flush=True)


def measured(summarizer, data: list, options) -> dict:
    written = []
    for begin in range(0, len(data), options.per_device_train_batch_size):
        batch = [one.text for one in data[begin : begin + options.per_device_train_batch_size]]
        written += summarizer.write(batch, options.max_source_length, options.val_max_target_length)
    return summaries.scores([one.summary for one in data], written)


def hand_on_scripts(code: Path) -> None:
    """The scripts in the archive, where SageMaker's PyTorch image looks for the one that serves."""
    shutil.copytree(str(Path(__file__).parent), str(code), ignore=shutil.ignore_patterns("__pycache__"))


def arguments(given: list):
    data = "/opt/ml/input/data/dataset"
    parser = job.Arguments(allow_abbrev=False)
    parser.add_argument("--model_name_or_path", default="fnlp/cpt-large")
    parser.add_argument("--path", choices=["json", "csv"], default="json")
    parser.add_argument("--text_column", default="article")
    parser.add_argument("--summary_column", default="summarization")
    parser.add_argument("--train_file", default=f"{data}/train.json")
    parser.add_argument("--validation_file", default=f"{data}/validation.json")
    parser.add_argument("--test_file", default=f"{data}/test.json")
    parser.add_argument("--output_dir", default="/opt/ml/model")
    parser.add_argument("--num_train_epochs", type=int, default=10)
    parser.add_argument("--per_device_train_batch_size", type=int, default=4)
    parser.add_argument("--learning_rate", type=float, default=2e-5)
    parser.add_argument("--max_source_length", type=int, default=512)
    parser.add_argument("--val_max_target_length", type=int, default=80)
    parser.add_argument("--seed", type=int, default=42)
    options, unknown = parser.parse_known_args(given)
    if unknown:
        print(f"These arguments are not used here: {' '.join(unknown)}", file=sys.stderr)
    return options


if __name__ == "__main__":
    sys.exit(job.run(main, job.TRAINING_REPORT))
