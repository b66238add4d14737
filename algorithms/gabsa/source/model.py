"""A text-to-text model in a folder: from the hub, from a folder, or new from a configuration; and what it generates.

Only what transformers has kept since the version of the image (requirements.txt) is used.
"""

import json
import random
from pathlib import Path

import job
import torch
import transformers
from transformers import AutoConfig, AutoModelForSeq2SeqLM, AutoTokenizer

WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
DESCRIPTION = "gabsa.json"
SMALL = 1_000_000

transformers.logging.set_verbosity_error()


class Generator:
    """A model with its tokenizer, on the device there is."""

    def __init__(self, model, tokenizer, longest: int) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = model.to(self.device)
        self.tokenizer = tokenizer
        self.longest = longest
        if self.device.type == "cpu" and sum(weights.numel() for weights in model.parameters()) < SMALL:
            # Its matrices are too small to be shared: several threads take five times as long on a busy machine.
            torch.set_num_threads(1)

    def encoded(self, texts: list):
        """Input ids and attention mask, one row a text."""
        rows = self.tokenizer(
            texts,
            max_length=self.longest,
            truncation=True,
            padding=True,
            return_tensors="pt",
            return_token_type_ids=False,
        )
        return {name: rows[name].to(self.device) for name in ("input_ids", "attention_mask")}

    def loss(self, sources: list, targets: list):
        """The loss of saying each target for its source."""
        labels = self.encoded(targets)
        ids = labels["input_ids"].masked_fill(labels["attention_mask"] == 0, -100)
        answer = self.model(**self.encoded(sources), labels=ids, return_dict=True)
        return answer.loss

    def say(self, texts: list, batch_size: int) -> list:
        """What the model says to each text, by greedy search."""
        self.model.eval()
        said = []
        with torch.no_grad():
            for start in range(0, len(texts), batch_size):
                rows = self.model.generate(
                    **self.encoded(texts[start : start + batch_size]), max_length=self.longest, num_beams=1
                )
                said += self.tokenizer.batch_decode(rows, skip_special_tokens=True)
        return said

    def save(self, folder: Path, description: dict) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.model.save_pretrained(str(folder))
        self.tokenizer.save_pretrained(str(folder))
        (folder / DESCRIPTION).write_text(json.dumps(description, indent=2, ensure_ascii=False), "utf-8")


def load(place: str, longest: int, seed: int) -> Generator:
    """The model that `place` names, a folder or a name of the hub. A folder without weights is begun anew.

    Raises Problem where there is none.
    """
    random.seed(seed)
    torch.manual_seed(seed)
    folder = Path(place)
    try:
        tokenizer = AutoTokenizer.from_pretrained(place)
        if folder.is_dir() and not any(path for pattern in WEIGHTS for path in folder.glob(pattern)):
            print(f"{folder.name}/ has no weights: the model begins anew from its configuration", flush=True)
            model = AutoModelForSeq2SeqLM.from_config(AutoConfig.from_pretrained(place))
        else:
            model = AutoModelForSeq2SeqLM.from_pretrained(place)
    except (OSError, ValueError) as error:
        raise job.Problem(
            f"The model {place} cannot be loaded: {str(error).splitlines()[0]} Without a way to the hub, send a folder "
            "pretrained/ with the dataset."
        ) from error
    return Generator(model, tokenizer, longest)


def described(folder: Path) -> dict:
    file = folder / DESCRIPTION
    if not file.is_file():
        raise job.Problem(f"The model archive lacks {DESCRIPTION}: it was not made by this algorithm's train.py.")
    return json.loads(file.read_text("utf-8"))
