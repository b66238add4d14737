"""A summarizing model in a folder: from the hub, from a folder, or new from a configuration; and what it writes."""

import random
from pathlib import Path

import cpt_model
import job
import summaries
import torch
import transformers
from transformers import AutoConfig, AutoModelForSeq2SeqLM, AutoTokenizer

WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
SMALL = 1_000_000

transformers.logging.set_verbosity_error()


class Summarizer:
    """A model with its tokenizer, on the device there is."""

    def __init__(self, model, tokenizer) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = model.to(self.device)
        self.tokenizer = tokenizer
        if self.device.type == "cpu" and sum(weights.numel() for weights in model.parameters()) < SMALL:
            # Its matrices are too small to be shared: several threads take five times as long on a busy machine.
            torch.set_num_threads(1)

    def encoded(self, texts: list, longest: int):
        """Input ids and attention mask, one row a text."""
        rows = self.tokenizer(texts, max_length=longest, truncation=True, padding=True, return_tensors="pt")
        return {name: rows[name].to(self.device) for name in ("input_ids", "attention_mask")}

    def loss(self, texts: list, wanted: list, longest_text: int, longest_summary: int):
        """The loss of writing each summary for its text."""
        labels = self.encoded(wanted, longest_summary)
        ids = labels["input_ids"].masked_fill(labels["attention_mask"] == 0, -100)
        return self.model(**self.encoded(texts, longest_text), labels=ids, return_dict=True).loss

    def write(self, texts: list, longest_text: int, longest_summary: int, top_p: float = 1.0) -> list:
        """A summary of each text: the likeliest found by beam search, or with top_p below 1 a drawn one."""
        how = {"do_sample": True, "top_p": top_p} if top_p < 1 else {"num_beams": 4}
        self.model.eval()
        with torch.no_grad():
            rows = self.model.generate(**self.encoded(texts, longest_text), max_length=longest_summary, **how)
        return [summaries.plain(text) for text in self.tokenizer.batch_decode(rows, skip_special_tokens=True)]

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.model.save_pretrained(str(folder))
        self.tokenizer.save_pretrained(str(folder))


def load(place: str, seed: int = 0) -> Summarizer:
    """The model that `place` names, a folder or a name of the hub. A folder without weights is begun anew.

    Raises Problem where there is none.
    """
    random.seed(seed)
    torch.manual_seed(seed)
    folder = Path(place)
    try:
        tokenizer = AutoTokenizer.from_pretrained(place)
        config = AutoConfig.from_pretrained(place)
        kind = kind_of(config, place)
        if folder.is_dir() and not any(path for pattern in WEIGHTS for path in folder.glob(pattern)):
            print(f"{folder.name}/ has no weights: the model begins anew from its configuration", flush=True)
            model = kind(config) if kind is not AutoModelForSeq2SeqLM else kind.from_config(config)
        else:
            model = kind.from_pretrained(place)
    except (OSError, ValueError) as error:
        raise job.Problem(
            f"The model {place} cannot be loaded: {str(error).splitlines()[0]} Without a way to the hub, send a "
            "transformers folder in the channel pretrained, or below the dataset."
        ) from error
    return Summarizer(model, tokenizer)


def kind_of(config, place: str):
    """CPT's class for CPT, whose configuration says that it is a BART; transformers' own for the rest."""
    named = [*(getattr(config, "architectures", None) or []), Path(place).name]
    return cpt_model.CPTForConditionalGeneration if any("cpt" in n.lower() for n in named) else AutoModelForSeq2SeqLM
