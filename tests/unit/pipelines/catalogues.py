"""Small catalogues in a temporary folder, written as a person would write them."""

from pathlib import Path
from typing import Any

import yaml

OWN: dict[str, Any] = {
    "name": "own",
    "title": "An own image",
    "trainable": True,
    "inferable": True,
    "image": {"build": "container"},
    "channels": {"train": {}, "test": {"required": False}},
    "hyperparameters": {
        "target": {"type": "string", "default": "Species"},
        "max_depth": {"type": "integer", "default": 4, "minimum": 1, "maximum": 64},
        "rate": {"type": "float", "default": 1},
    },
    "training": {"instance_type": "ml.m5.large", "volume_gb": 10, "max_runtime_seconds": 3600},
    "processing": {"arguments": ["target", "max_depth"]},
    "evaluation": {"metric": "accuracy", "threshold": 0.8},
    "register": {"group": "own"},
    "deploy": {"mode": "realtime", "instance_type": "ml.m5.large"},
    "trigger": {"pattern": "*.csv"},
}

FRAMEWORK: dict[str, Any] = {
    **OWN,
    "name": "framework",
    "framework": {
        "name": "sklearn",
        "version": "1.2-1",
        "entry_point": "train.py",
        "source_dir": "source",
        "inference_entry_point": "inference.py",
    },
    "processing": {"entry_point": "process.py"},
    "evaluation": {"metric": "accuracy", "threshold": 0.8, "entry_point": "evaluate.py"},
}
del FRAMEWORK["image"]

UNTRAINED: dict[str, Any] = {
    "name": "untrained",
    "title": "A model that is given",
    "trainable": False,
    "inferable": True,
    "image": {"build": "container"},
    "artifact": "model",
    "register": {"group": "untrained", "content_types": ["image/png"]},
    "deploy": {"mode": "async", "instance_type": "ml.m5.large", "max_concurrent_invocations": 4},
    "results": {"labels": ["ORIGINAL", "20-30"]},
}


def write_algorithm(catalogue: Path, spec: dict[str, Any]) -> Path:
    """An algorithm's folder with everything its specification names. Returns the folder."""
    folder = catalogue / str(spec["name"])
    for name in ("container", "model", "source"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "container" / "Dockerfile").write_text("FROM scratch\n")
    (folder / "model" / "model.json").write_text("{}")
    for script in ("train", "process", "evaluate", "inference"):
        (folder / "source" / f"{script}.py").write_text(f"print({script!r})\n")
    (folder / "algorithm.yaml").write_text(yaml.safe_dump(spec, sort_keys=False), encoding="utf-8")
    return folder


def write_catalogue(folder: Path, *specs: dict[str, Any]) -> Path:
    """A folder `algorithms` with some algorithms. Returns it."""
    catalogue = folder / "algorithms"
    for spec in specs:
        write_algorithm(catalogue, spec)
    return catalogue
