"""The built-in XGBoost without its library: what it refuses, what it measures, and how it writes its predictions."""

import json
from pathlib import Path

import numpy as np
import pytest

from local.sagemaker.toolkit.handlers import boosting


def test_several_instances_train_on_the_first_alone() -> None:
    channels = {"train": {"S3DistributionType": "FullyReplicated"}}
    hosts = ["algo-1", "algo-2"]
    assert boosting._alone(channels, {"hosts": hosts, "current_host": "algo-1"})
    assert not boosting._alone(channels, {"hosts": hosts, "current_host": "algo-2"})


def test_shards_on_several_instances_are_refused() -> None:
    with pytest.raises(boosting.Refused, match="FullyReplicated"):
        boosting._alone({"train": {"S3DistributionType": "ShardedByS3Key"}}, {"hosts": ["algo-1", "algo-2"]})


def test_a_format_that_is_not_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "input" / "data" / "train").mkdir(parents=True)
    (tmp_path / "input" / "data" / "train" / "a").touch()
    with pytest.raises(boosting.Refused, match=r"application/x-parquet.*text/csv and text/libsvm are"):
        boosting._channel(tmp_path, "train", {"train": {"ContentType": "application/x-parquet"}}, weighted=False)


def test_an_empty_channel_is_refused(tmp_path: Path) -> None:
    (tmp_path / "input" / "data" / "train").mkdir(parents=True)
    with pytest.raises(boosting.Refused, match="holds no file"):
        boosting._channel(tmp_path, "train", {"train": {"ContentType": "text/csv"}}, weighted=False)


@pytest.mark.parametrize(("text", "separator"), [("1,2\n", ","), ("1;2;3\n", ";"), ("1\t2\t3\n", "\t"), ("5\n", ",")])
def test_the_separator_is_seen(text: str, separator: str) -> None:
    assert boosting._separator(text) == separator


def test_a_tuners_objective_is_measured_too() -> None:
    asked = {"eval_metric": "auc,accuracy", "_tuning_objective_metric": "validation:f1"}
    assert boosting._metrics(asked) == (["accuracy", "f1"], ["auc"])


def test_predictions_are_on_one_line_and_in_a_transform_on_a_line_each(monkeypatch: pytest.MonkeyPatch) -> None:
    predicted = np.array([0.5, 0.25])
    assert boosting.output_fn(predicted, "text/csv") == ("0.5,0.25", "text/csv")
    answer, kind = boosting.output_fn(predicted, "application/json")
    assert (json.loads(answer), kind) == ({"predictions": [{"score": 0.5}, {"score": 0.25}]}, "application/json")
    monkeypatch.setenv("SAGEMAKER_BATCH", "true")
    assert boosting.output_fn(predicted, "text/csv") == ("0.5\n0.25\n", "text/csv")


def test_rows_of_libsvm_may_come_without_a_label() -> None:
    assert [boosting._row("1 0:2"), boosting._row("0:2 1:3")] == ["1 0:2", "0 0:2 1:3"]


def test_an_unread_type_is_no_fault_of_the_model() -> None:
    with pytest.raises(NotImplementedError, match="text/csv and text/libsvm"):
        boosting.input_fn(b"", "image/png")
