"""What image URIs stand for: the catalogue, AWS's own images, and the user's image map."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from local.sagemaker.machine.environments import Environments
from local.sagemaker.machine.images import FRAMEWORKS, Images
from local.sagemaker.wire.errors import ImageError
from tests.unit.local.sagemaker.cloud import container, image

TOOLKIT = FRAMEWORKS.with_name("toolkit") / "handlers"
_XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"


def known(folder: Path, text: str | None = None) -> Environments:
    if text is not None:
        (folder / "images.yaml").write_text(text)
    return Environments(folder / "cache", {}, folder / "images.yaml")


@pytest.mark.parametrize(
    ("uri", "package"),
    [
        (_XGBOOST, "xgboost==1.7.6"),
        ("450853457545.dkr.ecr.cn-north-1.amazonaws.com.cn/sagemaker-xgboost:1.2-2", "xgboost==1.7.6"),
        ("683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5", "xgboost-cpu==3.0.5"),
        ("1.dkr.ecr.us-gov-west-1.amazonaws.com/sagemaker-scikit-learn:0.23-1-cpu-py3", "scikit-learn==1.2.2"),
        ("763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-training:2.1.0-cpu-py310", "torch==2.1.0"),
        (
            "763104351884.dkr.ecr.eu-west-1.amazonaws.com/huggingface-pytorch-inference:2.1.0-transformers4.37.0-cpu",
            "transformers==4.37.0",
        ),
    ],
)
def test_an_image_of_aws_is_known_in_every_account_and_partition(tmp_path: Path, uri: str, package: str) -> None:
    found = known(tmp_path).resolve(uri)
    assert package in found.requirements.decode()
    assert found.folder is None


def test_an_own_image_is_its_folder_and_its_commands(tmp_path: Path) -> None:
    folder = container(tmp_path / "app")
    found = Environments(tmp_path, {"headrace/app": folder}).resolve(image("app"))
    assert (found.folder, found.train, found.serve) == (folder.resolve(), ("train",), ("serve",))


def test_the_map_gives_a_folder_packages_or_another_image(tmp_path: Path) -> None:
    container(tmp_path / "churn")
    (tmp_path / "tools.txt").write_text("idna\n")
    images = known(
        tmp_path,
        """
        images:
          - {image: "*/churn:*", folder: churn}
          - {image: "*/tools:*", requirements: tools.txt}
          - {image: "*/linear-learner:*", framework: "sagemaker-xgboost:1.7-1"}
        """,
    )
    assert images.resolve("1.dkr.ecr.us-east-1.amazonaws.com/churn:3").folder == tmp_path / "churn"
    assert images.resolve("tools.example.com/x/tools:1").requirements == b"idna\n"
    borrowed = images.resolve("1.dkr.ecr.us-east-1.amazonaws.com/linear-learner:1")
    assert (borrowed.tag, borrowed.handlers) == ("1.7-1", "boosting")


def test_other_packages_for_an_image_of_aws_leave_its_default_functions(tmp_path: Path) -> None:
    (tmp_path / "torch.txt").write_text("torch\n")
    (tmp_path / "images.yaml").write_text("images: [{image: '*/pytorch-*:*', requirements: torch.txt}]")
    found = Images({}, tmp_path / "images.yaml", FRAMEWORKS).resolve(
        "1.dkr.ecr.x.amazonaws.com/pytorch-inference:2.6.0-cpu"
    )
    assert (found.requirements, found.handlers) == (b"torch\n", "torch_models")


def test_the_map_counts_for_more_than_the_table_and_is_read_again(tmp_path: Path) -> None:
    images = known(tmp_path)
    assert images.resolve(_XGBOOST).handlers == "boosting"
    container(tmp_path / "mine")
    known(tmp_path, 'images: [{image: "*/sagemaker-xgboost:*", folder: mine}]')
    assert images.resolve(_XGBOOST).folder == tmp_path / "mine"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("images: [{image: 'x'}]", r"images\.yaml: images\[0\]: expected exactly one of folder, requirements"),
        ("images: [{image: 'x', folder: a, colour: b}]", r"images\[0\]\.colour: extra inputs"),
        ("images: [{image: 3, folder: a}]", r"images\[0\]\.image: input should be a valid string"),
        ("image: x", r"images\.yaml: images: field required"),
        ("images: [{image: '*', folder: nowhere}]", r"images\[0\]\.folder: expected a folder with bin/ in it"),
        ("images: [{image: '*', requirements: no.txt}]", r"images\[0\]\.requirements: expected a file that exists"),
        ("images: [{image: '*', framework: 'none:1'}]", r"images\[0\]\.framework: expected one of"),
        ("images: [", r"images\.yaml: expected a YAML file"),
    ],
)
def test_a_wrong_map_says_where(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ImageError, match=said):
        known(tmp_path, text).resolve("1.dkr.ecr.us-east-1.amazonaws.com/x:1")


def test_a_built_in_algorithm_that_is_not_run_names_the_map(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"built-in algorithm of AWS that is not run here.*images\.yaml.*kmeans"):
        known(tmp_path).resolve("382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:1")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("sagemaker-sparkml-serving:3.3", "Java program"),
        ("sagemaker-rl-ray-container:ray-1.6.0-torch-cpu-py36", "Ray begins there with 2.3"),
        ("sagemaker-rl-mxnet:coach0.11-cpu-py3", "TensorFlow 1"),
    ],
)
def test_an_image_that_cannot_run_here_says_why_and_the_map_may_stand_in(
    tmp_path: Path, name: str, reason: str
) -> None:
    uri = f"1.dkr.ecr.us-east-1.amazonaws.com/{name}"
    images = known(tmp_path)
    assert reason in (images.unavailable(uri) or "")
    with pytest.raises(ImageError, match=rf"does not run here: .*{reason}.*images\.yaml"):
        images.resolve(uri)
    repository = name.partition(":")[0]
    container(tmp_path / "mine")
    images = known(tmp_path, f'images: [{{image: "*/{repository}:*", folder: mine}}]')
    assert images.unavailable(uri) is None


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("mxnet-training:1.9.0-cpu-py38", "mxnet==1.9.1"),
        ("mxnet-inference:1.4.1-cpu-py3", "mxnet==1.9.1"),
        ("sagemaker-mxnet:1.3.0-cpu-py3", "mxnet==1.9.1"),
        ("sagemaker-chainer:5.0.0-cpu-py3", "chainer==5.0.0"),
    ],
)
def test_a_framework_that_has_ended_runs_where_its_numpy_does(tmp_path: Path, name: str, package: str) -> None:
    images, uri = known(tmp_path), f"1.dkr.ecr.us-east-1.amazonaws.com/{name}"
    reason = images.unavailable(uri)
    if sys.version_info < (3, 12):
        assert reason is None
        assert package in images.resolve(uri).requirements.decode().splitlines()
    else:
        assert "runs with no NumPy after 1.23, so it needs Python 3.11" in str(reason)


def test_a_newer_python_than_the_packages_know_is_told_before_anything_is_built(tmp_path: Path) -> None:
    major, minor = sys.version_info[:2]
    entry = {"repository": "old", "tag": "*", "packages": ["old==1"], "why": "Old ended in 2020"}
    this, before = f"{major}.{minor}", f"{major}.{minor - 1}"
    for newest, reason in (
        (this, None),
        (before, f"Old ended in 2020, so it needs Python {before}, and this is {this}"),
    ):
        (tmp_path / "images.json").write_text(json.dumps({"images": [{**entry, "python": newest}]}))
        assert Images({}, None, tmp_path).unavailable("1.dkr.ecr.us-east-1.amazonaws.com/old:1") == reason


def test_a_table_says_what_packages_that_come_as_sources_are_built_with(tmp_path: Path) -> None:
    entry = {"repository": "old", "tag": "*", "packages": ["old==1"], "build": ["setuptools<81", "wheel<1"]}
    (tmp_path / "images.json").write_text(json.dumps({"images": [entry]}))
    assert Images({}, None, tmp_path).resolve("x.example.com/old:1").build == b"setuptools<81\nwheel<1"


def test_what_is_not_in_any_table_is_unavailable_too(tmp_path: Path) -> None:
    images = known(tmp_path)
    assert images.unavailable("1.dkr.ecr.us-east-1.amazonaws.com/kmeans:1") == (
        "a built-in algorithm of AWS that is not run here"
    )
    assert images.unavailable("1.dkr.ecr.us-east-1.amazonaws.com/mine:1") == "an image that is unknown here"
    assert images.unavailable(_XGBOOST) is None


def test_every_file_that_the_table_names_is_there() -> None:
    table = json.loads((FRAMEWORKS / "images.json").read_text())
    for entry in table["images"]:
        assert not ("python" in entry and "why" not in entry), entry
        assert "requirements" not in entry or (FRAMEWORKS / entry["requirements"]).is_file()
        assert "handlers" not in entry or (TOOLKIT / f"{entry['handlers']}.py").is_file()


def test_only_a_built_in_algorithm_has_metrics_of_its_own(tmp_path: Path) -> None:
    images = known(tmp_path)
    assert "validation:rmse" in {metric["Name"] for metric in images.resolve(_XGBOOST).metrics}
    assert images.resolve("1.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3").metrics == []


def test_what_a_container_installs_stays_in_its_own_layer(tmp_path: Path) -> None:
    built = Environments(tmp_path / "cache", {"headrace/app": container(tmp_path / "app")}).ensure(image("app"))
    below = next(built.folder.glob("lib/python*/site-packages"))
    (below / "below.py").write_text("name = 'below'\n")
    layer = built.layered(tmp_path / "layer")
    assert layer.path[1:] == [str(tmp_path / "layer" / "bin"), str(built.folder / "bin")]
    program = "import below, site, sys; print(below.name, site.getsitepackages()[0], sys.prefix)"
    said = subprocess.run([str(layer.python), "-c", program], capture_output=True, text=True, check=True).stdout
    name, packages, prefix = said.split()
    assert (name, prefix) == ("below", str(tmp_path / "layer"))
    assert Path(packages).is_relative_to(tmp_path / "layer")
