"""What image URIs stand for: the catalogue, AWS's own images, and the user's image map."""

import subprocess
from pathlib import Path

import pytest

from local.sagemaker.environments import Environments
from local.sagemaker.errors import ImageError
from tests.unit.local.sagemaker.cloud import container, image

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
