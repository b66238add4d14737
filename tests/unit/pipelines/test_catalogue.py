"""algorithm.yaml: what is accepted, and that everything else is told with its place, all at once."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.catalogue import load_algorithm, load_catalogue
from pipelines.problems import CatalogueError
from pipelines.spec import AlgorithmSpec, DeployMode, json_schema
from pipelines.spec.reading import parse
from tests.unit.pipelines.catalogues import FRAMEWORK, OWN, UNTRAINED, write_algorithm, write_catalogue


def told(tmp_path: Path, spec: dict[str, Any]) -> list[str]:
    """The problems of one algorithm, without the file's name."""
    _, problems = load_algorithm(write_algorithm(tmp_path / "algorithms", spec))
    assert {problem.file for problem in problems} <= {f"algorithms/{spec['name']}/algorithm.yaml"}
    return [f"{problem.path}: {problem.text}".removeprefix(": ") for problem in problems]


@pytest.mark.parametrize("spec", [OWN, FRAMEWORK, UNTRAINED], ids=lambda spec: str(spec["name"]))
def test_a_good_file_is_read_and_every_default_filled_in(tmp_path: Path, spec: dict[str, Any]) -> None:
    catalogue = load_catalogue(write_catalogue(tmp_path, spec))
    assert catalogue.problems == ()
    (algorithm,) = catalogue.checked()
    assert algorithm.spec.title == spec["title"]
    assert algorithm.spec.trigger.on == "upload"


def test_a_problem_names_file_key_expectation_and_finding(tmp_path: Path) -> None:
    spec = {**OWN, "name": "churn", "training": {"instance_count": "two"}}
    _, (problem,) = load_algorithm(write_algorithm(tmp_path / "algorithms", spec))
    assert str(problem) == (
        'algorithms/churn/algorithm.yaml: training.instance_count: expected an integer >= 1, found "two"'
    )


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "unknown key": ({"colour": "red"}, "colour: expected one of the keys name, "),
    "unknown key inside": (
        {"retrain": {"schedule": "rate(1 day)", "often": 1}},
        'retrain.often: expected one of the keys schedule, only_if_new_data, found "often"',
    ),
    "missing key": ({"title": None}, "title: expected text of 1 to 500 characters, found nothing"),
    "both": (
        {"framework": FRAMEWORK["framework"]},
        "framework: expected exactly one of image, framework and chain, found image and framework",
    ),
    "neither": ({"image": None}, "image: expected exactly one of image, framework and chain, found none of them"),
    "two images": (
        {"image": {"build": "container", "uri": "x"}},
        'image: expected exactly one of build, uri and ssm, or training and inference, found ["build", "uri"]',
    ),
    "half an image": (
        {"image": {"training": {"build": "container"}}},
        "image.inference: expected the image that serves the model, found nothing",
    ),
    "schedule": ({"retrain": {"schedule": "often"}}, "retrain.schedule: expected text matching "),
    "word for bool": ({"trainable": "yes"}, 'trainable: expected true or false, found "yes"'),
    "number for bool": ({"batch": 1}, "batch: expected true or false, found 1"),
    "mode": (
        {"deploy": {"mode": "later"}},
        'deploy.mode: expected one of realtime, async, serverless, none, found "later"',
    ),
    "key of another mode": (
        {"deploy": {"mode": "realtime", "instance_type": "ml.m5.large", "memory_mb": 2048}},
        "deploy.memory_mb: expected nothing with mode realtime, found 2048",
    ),
    "no machine": (
        {"deploy": {"mode": "async"}},
        "deploy.instance_type: expected an instance type for mode async, found nothing",
    ),
    "instance type": ({"training": {"instance_type": "m5.large"}}, "training.instance_type: expected text matching "),
    "default below": (
        {"hyperparameters": {"target": {"type": "integer", "default": 0, "minimum": 1}}},
        "hyperparameters.target.default: expected a number >= 1 (minimum), found 0",
    ),
    "default of another type": (
        {"hyperparameters": {"target": {"type": "integer", "default": "4"}}},
        'hyperparameters.target.default: expected an integer, found "4"',
    ),
    "default not a choice": (
        {"hyperparameters": {"target": {"type": "string", "default": "c", "choices": ["a", "b"]}}},
        'hyperparameters.target.default: expected one of "a", "b" (choices), found "c"',
    ),
    "range turned round": (
        {"hyperparameters": {"target": {"type": "integer", "default": 4, "minimum": 9, "maximum": 1}}},
        "hyperparameters.target.maximum: expected a number >= 9 (minimum), found 1",
    ),
    "range of a string": (
        {"hyperparameters": {"target": {"type": "string", "default": "4", "minimum": 1}}},
        "hyperparameters.target.minimum: expected nothing for a string, found 1",
    ),
    "reserved name": (
        {"hyperparameters": {**OWN["hyperparameters"], "JobId": {"type": "string", "default": ""}}},
        "hyperparameters.JobId: expected another name, found one that every pipeline has as a parameter",
    ),
    "the containers' name": (
        {"hyperparameters": {**OWN["hyperparameters"], "sagemaker_program": {"type": "string", "default": ""}}},
        "hyperparameters.sagemaker_program: expected another name, found one of the SageMaker containers' own",
    ),
    "argument that is none": (
        {"processing": {"arguments": ["traget"]}},
        'processing.arguments[0]: expected the name of a hyperparameter, found "traget"',
    ),
    "script with an image": (
        {"processing": {"entry_point": "process.py"}},
        'processing.entry_point: expected nothing with an own image, which knows its commands, found "process.py"',
    ),
    "nothing to evaluate on": (
        {"channels": {"train": {}}},
        "channels.test: expected a channel to evaluate on, found nothing",
    ),
    "no machines": (
        {"training": None},
        "training: expected the training job's machines, as trainable is true, found nothing",
    ),
    "training without training": (
        {"trainable": False},
        "training: expected nothing, as trainable is false, found a section",
    ),
    "deployed unregistered": ({"register": None}, "register: expected the model package to deploy from, found nothing"),
    "schedule without one": (
        {"trigger": {"on": "schedule"}},
        "retrain: expected the schedule that trigger.on names, found nothing",
    ),
    "folder outside": (
        {"image": {"build": "../other"}},
        'image.build: expected a folder inside the algorithm\'s folder, found "../other"',
    ),
    "absolute folder": ({"image": {"build": "/etc"}}, "image.build: expected text matching "),
    "folder with a name no file system takes": (
        {"image": {"build": "ü" * 150}},
        "image.build: expected a path of at most 255 bytes, found",
    ),
    "no such folder": ({"image": {"build": "docker"}}, 'image.build: expected a folder that exists, found "docker"'),
    "channels of a single file": (
        {"processing": None, "evaluation": None, "channels": {"images": {}, "labels": {}}},
        "trigger.pattern: expected _SUCCESS, as several channels without processing are folders of one dataset, ",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_told(tmp_path: Path, name: str) -> None:
    change, expected = BAD[name]
    spec = {key: value for key, value in {**OWN, **change}.items() if value is not None}
    assert any(line.startswith(expected) for line in told(tmp_path, spec)), told(tmp_path, spec)


def test_framework_rules_are_told_together(tmp_path: Path) -> None:
    spec = {
        **FRAMEWORK,
        "framework": {"name": "sklearn", "version": "1.2-1", "source_dir": "source", "entry_point": "tarin.py"},
        "training": {"instance_count": 2},
        "processing": {},
    }
    assert told(tmp_path, spec) == [
        "processing.entry_point: expected a script of framework.source_dir, found nothing",
        "training.instance_count: expected 1, as sklearn trains on one machine, found 2",
        "framework.inference_entry_point: expected the script that serves the model, found nothing",
        'framework.entry_point: expected a file of source/, found "tarin.py"',
    ]


def test_every_problem_of_every_file_is_told_at_once(tmp_path: Path) -> None:
    good = write_catalogue(tmp_path, OWN, {**OWN, "name": "one", "batch": 1, "deploy": {"mode": "x"}, "odd": 1})
    (good / "two").mkdir()
    (good / "three").mkdir()
    (good / "three" / "algorithm.yaml").write_text("name: three\nchannels: [train\n")
    catalogue = load_catalogue(good)
    assert [algorithm.name for algorithm in catalogue.algorithms] == ["own"]
    assert [(problem.file.split("/")[1], problem.path) for problem in catalogue.problems] == [
        ("one", "batch"),
        ("one", "deploy.mode"),
        ("one", "odd"),
        ("three", ""),
        ("two", ""),
    ]
    assert "line 3, column 1: expected ',' or ']'" in catalogue.problems[3].text
    with pytest.raises(CatalogueError, match=r"(?s)one/algorithm.yaml.*two/algorithm.yaml"):
        catalogue.checked()


def test_the_name_is_the_folders(tmp_path: Path) -> None:
    folder = write_algorithm(tmp_path / "algorithms", OWN)
    _, (problem,) = load_algorithm(folder.rename(folder.parent / "other"))
    assert (problem.path, problem.text) == ("name", 'expected "other" (the folder\'s name), found "own"')


def test_a_link_out_of_the_folder_is_told(tmp_path: Path) -> None:
    folder = write_algorithm(tmp_path / "algorithms", FRAMEWORK)
    (tmp_path / "secret").write_text("x")
    (folder / "source" / "data").symlink_to(tmp_path / "secret")
    _, problems = load_algorithm(folder)
    assert [problem.path for problem in problems] == ["framework.source_dir"]
    assert problems[0].text.startswith("source/data: expected nothing that leaves the algorithm's folder")


def test_sources_of_300_mb_are_told(tmp_path: Path) -> None:
    folder = write_algorithm(tmp_path / "algorithms", FRAMEWORK)
    with (folder / "source" / "weights.bin").open("wb") as weights:
        weights.truncate(300 * 1024 * 1024)
    _, (problem,) = load_algorithm(folder)
    assert problem.text == "source: expected at most 250 MB unpacked, found 300 MB"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "expected a mapping of keys, found nothing"),
        ("- a", 'expected a mapping of keys, found ["a"]'),
        ("name: a\nname: b", "name: expected the key once, found it again (line 2)"),
        ("a: &x [*x]", "a[0]: expected the value itself, found a YAML alias (line 1)"),
        (
            "a: !!python/name:os.system",
            "line 1, column 4: expected no tag, found tag:yaml.org,2002:python/name:os.system",
        ),
        ("a: 1\n---\nb: 2", "line 2, column 1: but found another document"),
        ('a: "\\ud800"', "a: expected Unicode text, found half of a surrogate pair (line 1)"),
        ("[" * 3000, "line 1, column 33: expected at most 32 levels of nesting, found more"),
    ],
)
def test_odd_yaml_is_told_with_its_line(tmp_path: Path, text: str, expected: str) -> None:
    _, found = parse(text.encode(), tmp_path)
    lines = [f"{path}: {words}".removeprefix(": ") for path, words in found]
    assert any(line.startswith(expected) for line in lines), lines


def test_the_key_on_is_a_word_and_not_true(tmp_path: Path) -> None:
    spec = {**OWN, "retrain": {"schedule": "rate(1 day)"}, "trigger": {"on": "schedule"}}
    folder = write_algorithm(tmp_path / "algorithms", spec)
    (folder / "algorithm.yaml").write_text((folder / "algorithm.yaml").read_text().replace("'on'", "on"))
    algorithm, problems = load_algorithm(folder)
    assert problems == ()
    assert algorithm is not None
    assert algorithm.spec.trigger.on == "schedule"


@settings(max_examples=200)
@given(content=st.binary(max_size=400))
def test_no_bytes_make_the_loader_raise(content: bytes) -> None:
    spec, found = parse(content, Path("/nowhere/own"))
    assert (spec is None) == bool(found)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200)
@given(key=st.sampled_from(sorted(json_schema()["properties"])), value=VALUES)
def test_no_value_of_any_key_makes_the_loader_raise(key: str, value: object) -> None:
    content = yaml.safe_dump({**OWN, key: value}).encode()
    spec, found = parse(content, Path("/nowhere/own"))
    assert (spec is None) == bool(found)


@pytest.mark.parametrize("spec", [OWN, FRAMEWORK, UNTRAINED], ids=lambda spec: str(spec["name"]))
def test_the_schema_for_editors_accepts_what_the_loader_accepts(spec: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    jsonschema.validate(spec, json_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**spec, "colour": "red"}, json_schema())


def test_a_published_deploy_section_holds_what_its_mode_knows() -> None:
    spec = AlgorithmSpec.of(json.loads(json.dumps({**OWN, "deploy": {"mode": "serverless", "memory_mb": 2048}})))
    assert spec.deploy.published() == {"mode": "serverless", "memory_mb": 2048, "environment": {}}
    assert spec.deploy.mode is DeployMode.SERVERLESS
