"""What `headrace algorithms new` writes: a table classifier in script mode, whose learner.py alone knows the framework.

`source/` is the same for all, `learners/` has a module for each framework, `samples/` is a dataset to train on at once.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).parent
_CACHES: Final = shutil.ignore_patterns("__pycache__")


@dataclass(frozen=True, slots=True)
class Starter:
    """A framework of script mode, in a version that SageMaker serves for training and for inference."""

    framework: str
    version: str
    py_version: str
    more: str = ""
    """Further keys of the section `framework`."""
    learner: str = ""
    """The module of learners/ when it is another's."""
    inference: str = ""
    """The module of learners/ that serves, where the framework's server calls other functions than the common ones."""
    instance_type: str = "ml.m5.large"
    epochs: int = 100
    local: str = ""
    """The section `local`, where the defaults do not fit."""


_LATER: Final = "\n# Its environment is large: the first job builds it, not `headrace up`.\nlocal: {build: first_use}"

STARTERS: Final = {
    starter.framework: starter
    for starter in (
        Starter("sklearn", "1.4-2", "py3"),
        Starter("xgboost", "3.0-5", "py3", epochs=50, local=_LATER),
        Starter("pytorch", "2.6.0", "py312", local=_LATER),
        Starter(
            "huggingface",
            "2.3.0",
            "py311",
            more='\n  transformers_version: "4.48.0"',
            learner="pytorch",
            instance_type="ml.g4dn.xlarge",
            local=_LATER,
        ),
        Starter("tensorflow", "2.19.0", "py312", inference="tensorflow_inference", local=_LATER),
        Starter("mxnet", "1.9.0", "py38", local=_LATER),
        Starter("chainer", "5.0.0", "py3", local=_LATER),
    )
}


def write(starter: Starter, name: str, folder: Path) -> None:
    """Fills a new folder with the algorithm `name`. Raises OSError."""
    shutil.copytree(_FOLDER / "source", folder / "source", ignore=_CACHES)
    learner = _FOLDER / "learners" / f"{starter.learner or starter.framework}.py"
    shutil.copyfile(learner, folder / "source" / "learner.py")
    if starter.inference:
        shutil.copyfile(_FOLDER / "learners" / f"{starter.inference}.py", folder / "source" / "inference.py")
    shutil.copytree(_FOLDER / "samples", folder / "samples")
    (folder / "algorithm.yaml").write_text(specification(starter, name), "utf-8")


def specification(starter: Starter, name: str) -> str:
    """Returns the algorithm.yaml of a new algorithm."""
    return f"""\
# yaml-language-server: $schema=../../pipelines/algorithm.schema.json
name: {name}
title: {name.replace("_", " ").capitalize()}
# Script mode: the scripts of source/ run in SageMaker's {starter.framework} image. It learns any table of numbers
# with one column of class names; source/learner.py is where the framework is used.
trainable: true
inferable: true
framework:
  name: {starter.framework}
  version: "{starter.version}"
  py_version: {starter.py_version}{starter.more}
  entry_point: train.py
  source_dir: source
  inference_entry_point: inference.py
channels:
  train: {{required: true, description: CSV files with a header; the rows to learn from}}
  test: {{required: false, description: CSV files with the same columns; the rows to score the model on}}
hyperparameters:
  target: {{type: string, default: Species, description: The column to predict}}
  ignore: {{type: string, default: Id, description: "Columns that are not measurements, separated by commas"}}
  test_fraction: {{type: float, default: 0.2, minimum: 0.01, maximum: 0.9, description: Rows held out}}
  seed: {{type: integer, default: 1, minimum: 0, maximum: 2147483647}}
  epochs: {{type: integer, default: {starter.epochs}, minimum: 1, maximum: 100000}}
  learning_rate: {{type: float, default: 0.05, minimum: 0.000001, maximum: 1.0}}
training: {{instance_type: {starter.instance_type}, instance_count: 1, volume_gb: 10, max_runtime_seconds: 3600}}
processing:
  instance_type: {starter.instance_type}
  entry_point: process.py
  arguments: [target, ignore, test_fraction, seed]
evaluation: {{metric: accuracy, threshold: 0.8, entry_point: evaluate.py}}
register: {{group: {name.replace("_", "-")}, approval: automatic}}
deploy: {{mode: realtime, instance_type: ml.m5.large, count: 1}}
trigger: {{pattern: "*.csv"}}{starter.local}
"""
