"""What keys say together: each rule refuses what it is for, at the key that has to change, and lets the rest pass."""

from pathlib import Path
from typing import Any

import pytest

from pipelines.catalogue import load_algorithm, load_catalogue
from tests.unit.pipelines.catalogues import FRAMEWORK, OWN, UNTRAINED, write_algorithm, write_catalogue

Spec = dict[str, Any]


def changed(spec: Spec, **changes: Any) -> Spec:
    """A specification with other sections; None takes one away."""
    return {key: value for key, value in {**spec, **changes}.items() if value is not None}


def scripted(base: Spec = FRAMEWORK, /, **keys: Any) -> Spec:
    """One with other keys of its framework; None takes one away."""
    return {**base, "framework": changed(base["framework"], **keys)}


def served(**keys: Any) -> Spec:
    """One that a framework serves without having trained it."""
    described = {"name": "pytorch", "version": "2.5.1", "py_version": "py311", **keys}
    return changed(UNTRAINED, image=None, framework=changed(described))


def told(tmp_path: Path, spec: Spec) -> list[str]:
    _, problems = load_algorithm(write_algorithm(tmp_path / "algorithms", spec))
    return [f"{problem.path}: {problem.text}".removeprefix(": ") for problem in problems]


TUNED: Spec = {
    **OWN,
    "tuning": {
        "objective": {"metric": "accuracy", "regex": "accuracy=([0-9.]+)"},
        "ranges": {"max_depth": {"minimum": 2, "maximum": 16}, "rate": {"minimum": 0.1, "maximum": 1}},
    },
}
del TUNED["processing"], TUNED["evaluation"]
GIT = {"repo": "https://git.example.test/models.git", "commit": "0" * 40}
HUB: Spec = changed(
    served(name="huggingface", version="1.13.1", py_version="py39", transformers_version="4.26.0"),
    artifact=None,
    deploy={"mode": "realtime", "instance_type": "ml.m5.large", "environment": {"HF_MODEL_ID": "some/model"}},
)
BATCH: Spec = {
    **{key: UNTRAINED[key] for key in ("name", "title", "trainable", "image")},
    "inferable": False,
    "batch": True,
    "transform": {"content_type": "image/png", "split_type": "None"},
}
CHAIN: Spec = {
    "name": "both",
    "title": "Find, then read",
    "trainable": False,
    "inferable": False,
    "chain": {"detect": {"algorithm": "own"}, "read": {"algorithm": "own"}},
}

GOOD: dict[str, Spec] = {
    "tuning": TUNED,
    "a grid": {
        **TUNED,
        "tuning": {**TUNED["tuning"], "strategy": "Grid", "ranges": {"target": {"values": ["a", "b"]}}},
    },
    "an objective that training measures": {
        **TUNED,
        "training": {"metrics": {"accuracy": "accuracy=([0-9.]+)"}},
        "tuning": {**TUNED["tuning"], "objective": {"metric": "accuracy"}},
    },
    "spot": {**OWN, "training": {"max_runtime_seconds": 600, "spot": {"max_wait_seconds": 600}}},
    "transform of what was trained": {**OWN, "transform": {}},
    "transform of uploads": BATCH,
    "sources of a commit": scripted(git=GIT),
    "sources of a tag": scripted(git={"repo": "git@git.example.test:models.git", "branch": "v6.2"}),
    "an account that is no secret": scripted(git={**GIT, "repo": "ssh://git@git.example.test/models.git"}),
    "served by another framework": scripted(
        name="tensorflow",
        version="2.13",
        py_version="py310",
        inference_entry_point=None,
        inference={"name": "pytorch", "version": "2.0.1", "entry_point": "inference.py"},
    ),
    "served from a folder of its own": scripted(
        git=GIT, inference_entry_point=None, inference={"entry_point": "inference.py", "source_dir": "source"}
    ),
    "a model of the hub": HUB,
    "chainer": scripted(name="chainer", version="5.0.0"),
    "sparkml": served(name="sparkml", version="3.3", py_version=None),
    "reinforcement learning": changed(
        scripted(name="rl", version="1.6.0", py_version="py37", toolkit={"name": "ray"}, inference_entry_point=None),
        deploy=None,
        register=None,
        inferable=False,
    ),
    "jobs of a closed house": {
        **OWN,
        "network": {"subnets": ["subnet-0a"], "security_group_ids": ["sg-0b"], "isolation": True},
        "encryption": {"volume_key": "alias/data", "output_key": "arn:aws:kms:us-east-1:123456789012:key/ab-12"},
        "tags": {"cost centre": "7"},
        "cache": {"expire_after": "P30D"},
        "retry": {"max_attempts": 2},
        "local": {"runs": False, "reason": "it needs a GPU"},
    },
    "nothing but a request": {**UNTRAINED, "trigger": {"on": "request"}},
}


@pytest.mark.parametrize("name", GOOD)
def test_what_belongs_together_is_accepted(tmp_path: Path, name: str) -> None:
    assert told(tmp_path, GOOD[name]) == []


def tuning(**keys: Any) -> Spec:
    return {**TUNED, "tuning": changed(TUNED["tuning"], **keys)}


def ranged(**keys: Any) -> Spec:
    return tuning(ranges={"max_depth": keys})


BAD: dict[str, tuple[Spec, str]] = {
    "image and chain": (
        {**OWN, "chain": CHAIN["chain"]},
        "chain: expected exactly one of image, framework and chain, found image and chain",
    ),
    "chain that is deployed": (
        {**CHAIN, "deploy": {"mode": "serverless"}},
        'deploy.mode: expected none, as a chain asks the endpoints of others, found "serverless"',
    ),
    "chain that is trained": (
        {**CHAIN, "trainable": True},
        "trainable: expected false, as a chain asks the endpoints of others, found true",
    ),
    "version that is gone": (
        scripted(name="pytorch", version="1.10.9", py_version="py38"),
        "framework.version: expected one of 1.9.0, 1.9.1, 1.10.0, 1.10.2, 1.11.0, 1.12.0, ..., found",
    ),
    "version that is later than all": (
        scripted(name="mxnet", version="2.0.0", py_version="py38"),
        "framework.version: expected one of 1.4.0, 1.4.1, 1.6.0, 1.7.0, 1.8.0, 1.9.0, ..., found",
    ),
    "transformers that are gone": (
        scripted(HUB, transformers_version="4.6.2"),
        "framework.transformers_version: expected one of 4.6.1, ",
    ),
    "python that is gone": (
        scripted(name="pytorch", version="1.12", py_version="py36"),
        'framework.py_version: expected py38, found "py36"',
    ),
    "version that serves no more": (
        scripted(
            name="pytorch", version="2.6", py_version="py312", inference_entry_point=None, inference={"version": "9"}
        ),
        "framework.inference.version: expected one of ",
    ),
    "processor that the image is not for": (
        changed(HUB, trainable=True, channels={"train": {}}, training={"instance_type": "ml.m5.large"}),
        'training.instance_type: expected an instance with gpu, as the image needs, found "ml.m5.large"',
    ),
    "toolkit without rl": (
        scripted(toolkit={"name": "ray"}),
        'framework.toolkit: expected a toolkit with rl and nothing with any other framework, found "ray"',
    ),
    "toolkit that serves": (
        scripted(name="rl", version="1.6.0", py_version="py37", toolkit={"name": "ray"}),
        "framework.inference: expected the framework that serves what was learnt, as rl has images for training alone",
    ),
    "two serving scripts": (
        scripted(inference={"entry_point": "inference.py"}),
        "framework.inference_entry_point: expected nothing beside framework.inference, ",
    ),
    "another framework of the same version": (
        scripted(inference_entry_point=None, inference={"name": "pytorch"}),
        "framework.inference.version: expected a version of pytorch, found nothing",
    ),
    "serving script that is not there": (
        scripted(inference_entry_point=None, inference={"entry_point": "serve.py"}),
        'framework.inference.entry_point: expected a file of source/, found "serve.py"',
    ),
    "script without a folder": (
        scripted(source_dir=None),
        "framework.source_dir: expected the folder of the scripts, as entry_point is given, found nothing",
    ),
    "sparkml without a model": (
        changed(served(name="sparkml", version="3.3", py_version=None), artifact=None),
        "artifact: expected the folder with the model, as sparkml runs no scripts, found nothing",
    ),
    "framework without a model": (
        changed(served(), artifact=None),
        "artifact: expected the folder with the model (or a serving script, or HF_MODEL_ID in deploy.environment ",
    ),
    "no revision": (
        scripted(git={"repo": "https://git.example.test/models.git"}),
        "framework.git.commit: expected at least one of branch and commit, found nothing",
    ),
    "short commit": (scripted(git={**GIT, "commit": "abc123"}), "framework.git.commit: expected text matching "),
    "option for a repository": (scripted(git={**GIT, "repo": "--upload-pack=x"}), "framework.git.repo: expected text "),
    "pattern for a branch": (scripted(git={**GIT, "branch": "*"}), "framework.git.branch: expected text matching "),
    "wait shorter than the job": (
        {**OWN, "training": {"max_runtime_seconds": 600, "spot": {"max_wait_seconds": 599}}},
        "training.spot.max_wait_seconds: expected a number >= 600 (max_runtime_seconds), found 599",
    ),
    "expression without a group": (
        {**OWN, "training": {"metrics": {"loss": "loss=.*"}}},
        "training.metrics.loss: expected a regular expression with a group, which holds the number, found ",
    ),
    "expression that is none": (
        {**OWN, "training": {"metrics": {"loss": "loss=(["}}},
        "training.metrics.loss: expected a regular expression (",
    ),
    "range of what is none": (
        tuning(ranges={"depth": {"minimum": 1, "maximum": 2}}),
        'tuning.ranges.depth: expected the name of a hyperparameter, found "depth"',
    ),
    "range beyond the hyperparameter's": (
        ranged(minimum=2, maximum=65),
        "tuning.ranges.max_depth.maximum: expected a number <= 64 (the hyperparameter's maximum), found 65",
    ),
    "range turned round": (
        ranged(minimum=3, maximum=3),
        "tuning.ranges.max_depth.maximum: expected a number > 3 (minimum), found 3",
    ),
    "half a range": (
        ranged(minimum=3),
        "tuning.ranges.max_depth.maximum: expected a number (or values in place of a range), found nothing",
    ),
    "range and values": (
        ranged(minimum=3, values=[1]),
        "tuning.ranges.max_depth.values: expected values alone, without minimum, found [1]",
    ),
    "fractions of an integer": (
        ranged(minimum=2, maximum=2.5),
        "tuning.ranges.max_depth.maximum: expected an integer, as the hyperparameter is one, found 2.5",
    ),
    "logarithm of nothing": (
        tuning(ranges={"rate": {"minimum": 0, "maximum": 1, "scaling": "Logarithmic"}}),
        "tuning.ranges.rate.minimum: expected a number > 0, as scaling is Logarithmic, found 0",
    ),
    "range of words": (
        tuning(ranges={"target": {"minimum": 1, "maximum": 2}}),
        "tuning.ranges.target.values: expected a list of values, as the hyperparameter has no range of numbers",
    ),
    "value that cannot be": (
        tuning(ranges={"max_depth": {"values": [4, 0]}}),
        "tuning.ranges.max_depth.values[1]: expected a number >= 1 (minimum), found 0",
    ),
    "grid of a range": (
        tuning(strategy="Grid"),
        "tuning.ranges.max_depth.values: expected a list of values, as strategy is Grid, found nothing",
    ),
    "grid with a count": (
        tuning(strategy="Grid", max_jobs=3, ranges={"target": {"values": ["a"]}}),
        "tuning.max_jobs: expected nothing with strategy Grid, which tries every combination, found 3",
    ),
    "more at once than in all": (
        tuning(max_jobs=2, parallel_jobs=3),
        "tuning.parallel_jobs: expected a number <= 2 (max_jobs), found 3",
    ),
    "objective that nothing measures": (
        tuning(objective={"metric": "accuracy"}),
        "tuning.objective.regex: expected the expression that finds the metric, ",
    ),
    "argument that tuning chooses": (
        {**TUNED, "processing": {"arguments": ["max_depth"]}},
        "processing.arguments[0]: expected a hyperparameter that is known before training; tuning chooses this one",
    ),
    "tuning without training": (
        {**UNTRAINED, "tuning": TUNED["tuning"]},
        "tuning: expected nothing, as trainable is false, found a section",
    ),
    "transform of no channel": (
        {**OWN, "transform": {"channel": "tset"}},
        'transform.channel: expected the name of a channel, found "tset"',
    ),
    "transform of a channel that may be missing": (
        changed(OWN, processing=None, evaluation=None, transform={}),
        "transform.channel: expected a required channel, as without processing an optional one may be missing",
    ),
    "payloads beyond the limit": (
        {**OWN, "transform": {"max_concurrent": 3, "max_payload_mb": 50}},
        "transform.max_payload_mb: expected at most 100 MB together with max_concurrent (3), found 50",
    ),
    "batch that registers": (
        {**BATCH, "register": {"group": "x"}},
        "register: expected nothing, as every batch would register the same model again, found a section",
    ),
    "batch that is deployed": (
        {**UNTRAINED, "transform": {}},
        "deploy.mode: expected none, as without training a transform answers uploads ",
    ),
    "batch without a way": (
        changed(BATCH, transform=None),
        "transform: expected the batch job (or an endpoint), as batch is true, found nothing",
    ),
    "subnets alone": (
        {**OWN, "network": {"subnets": ["subnet-0a"]}},
        "network.security_group_ids: expected the security groups inside the subnets, found nothing",
    ),
    "script of a container without a network": (
        {**FRAMEWORK, "network": {"isolation": True}},
        "network.isolation: expected false, as the serving container fetches its script or model when it starts",
    ),
    "key that is none": (
        {**OWN, "encryption": {"volume_key": "my key"}},
        "encryption.volume_key: expected text matching ",
    ),
    "tag of AWS's own": (
        {**OWN, "tags": {"aws:x": "y"}},
        'tags.aws:x: expected a key without the prefix aws:, which is AWS\'s own, found "aws:x"',
    ),
    "duration in words": ({**OWN, "cache": {"expire_after": "30 days"}}, "cache.expire_after: expected text matching "),
    "no reason": (
        {**OWN, "local": {"runs": False}},
        "local.reason: expected why it does not run locally, found nothing",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_is_told_where_it_stands(tmp_path: Path, name: str) -> None:
    spec, expected = BAD[name]
    lines = told(tmp_path, spec)
    assert any(line.startswith(expected) for line in lines), lines


@pytest.mark.parametrize(("gone", "nearest"), [("1.10.9", "1.10.2"), ("9.9", "2.8.0"), ("0.1", "0.4.0"), ("1.1", None)])
def test_the_nearest_version_that_is_served_is_told(tmp_path: Path, gone: str, nearest: str | None) -> None:
    spec = changed(scripted(name="pytorch", version=gone), deploy=None, register=None, inferable=False)
    found = [line for line in told(tmp_path, spec) if line.startswith("framework.version")]
    assert [line.rpartition("; ")[2] for line in found] == ([f"the nearest is {nearest}"] if nearest else [])


@pytest.mark.parametrize(
    "repo",
    [
        "https://someone:s3cret@git.example.test/models.git",
        "https://s3cret@git.example.test/models.git",
        "ssh://git:s3cret@git.example.test/models.git",
        "https://git.example.test/models.git?private_token=s3cret",
        "https://someone:s3cret@git.example.test/two words.git",
    ],
)
def test_credentials_in_an_address_are_refused_and_not_repeated(tmp_path: Path, repo: str) -> None:
    (line,) = told(tmp_path, scripted(git={**GIT, "repo": repo}))
    assert line.startswith("framework.git.repo: expected ")
    assert "s3cret" not in line


def test_a_chain_links_algorithms_that_answer_at_once(tmp_path: Path) -> None:
    links = {"detect": {"algorithm": "untrained"}, "read": {"algorithm": "nobody"}}
    catalogue = load_catalogue(
        write_catalogue(tmp_path, OWN, UNTRAINED, CHAIN, {**CHAIN, "name": "not", "chain": links})
    )
    assert [algorithm.name for algorithm in catalogue.algorithms] == ["both", "own", "untrained"]
    what = "expected the name of an algorithm with a realtime or serverless endpoint, found"
    assert [str(problem) for problem in catalogue.problems] == [
        f'algorithms/not/algorithm.yaml: chain.detect.algorithm: {what} "untrained"',
        f'algorithms/not/algorithm.yaml: chain.read.algorithm: {what} "nobody"',
    ]
