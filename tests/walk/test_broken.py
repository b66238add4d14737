"""Walks through a project whose models are broken: every flow ends, with the reason."""

from collections.abc import Iterator

import pytest

from tests.walk.cloud import ROOT, Cloud, copy_project, running_cloud, until

pytestmark = [pytest.mark.cloud, pytest.mark.xdist_group("broken")]

PICKLED = """
import io
import numpy as np

def model_fn(folder):
    return None

def input_fn(body, content_type):
    return body

def predict_fn(data, model):
    return np.array([{"not": "an image"}], dtype=object)

def output_fn(prediction, accept):
    buffer = io.BytesIO()
    np.save(buffer, prediction, allow_pickle=True)
    return buffer.getvalue(), "application/x-npy"
"""

FAILING = """
import sys

print("reading the table")
print("the third flux capacitor is missing", file=sys.stderr)
print("giving up", file=sys.stderr)
sys.exit(1)
"""


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A copy of the project: a model that answers with pickled objects, a training script that exits 1."""
    folder = tmp_path_factory.mktemp("broken")
    project = copy_project(folder / "project", "decision_trees", "face_aging", "gradient_boosting")
    (project / "algorithms/face_aging/model/code/inference.py").write_text(PICKLED)
    (project / "algorithms/gradient_boosting/source/train.py").write_text(FAILING)
    with running_cloud(project, folder) as running:
        yield running


def photo() -> bytes:
    return (ROOT / "algorithms/face_aging/samples/astronaut.jpg").read_bytes()


def test_pickled_objects_from_a_broken_model_are_never_loaded(broken: Cloud) -> None:
    broken.put("images/photo.jpg", photo())
    message = broken.failed("images/photo.jpg")
    assert "object" in message or "pickle" in message


def test_the_last_lines_of_a_failed_training_script_are_in_the_error(broken: Cloud) -> None:
    key = "datasets/gradient_boosting/one/table.csv"
    broken.put(key, (ROOT / "algorithms/gradient_boosting/samples/breast_cancer.csv").read_bytes())
    message = broken.failed(key)
    assert "the third flux capacitor is missing" in message
    assert "giving up" in message


def test_an_endpoint_that_is_not_there_ends_with_the_reason(broken: Cloud) -> None:
    sagemaker = broken.clients.client("sagemaker")
    [endpoint] = [entry["EndpointName"] for entry in sagemaker.list_endpoints()["Endpoints"]]
    sagemaker.delete_endpoint(EndpointName=endpoint)

    def gone() -> bool | None:
        return None if sagemaker.list_endpoints()["Endpoints"] else True

    until(gone, "the endpoint's end")
    broken.put("images/too-late.jpg", photo())
    assert endpoint in broken.failed("images/too-late.jpg")
