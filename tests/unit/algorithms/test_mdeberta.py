"""mdeberta has no script: the Hugging Face image's own functions answer, by the hub's model that its variables name."""

import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from local.sagemaker.toolkit.handlers import transformers_models
from pipelines.catalogue import load_algorithm
from tests.unit.algorithms.environments import ALGORITHMS


def test_the_endpoint_asks_the_hub_s_model_with_the_labels_of_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    algorithm, problems = load_algorithm(ALGORITHMS / "mdeberta")
    assert algorithm is not None, problems
    asked: list[Any] = []

    def pipeline(**named: Any) -> Any:
        asked.append(named)
        return lambda inputs, **parameters: {"sequence": inputs, "labels": parameters["candidate_labels"]}

    monkeypatch.setitem(sys.modules, "transformers", SimpleNamespace(pipeline=pipeline))
    for name, value in algorithm.spec.deploy.environment.items():
        monkeypatch.setenv(name, value)
    model = transformers_models.model_fn("/opt/ml/model")
    assert asked == [{"task": "zero-shot-classification", "model": "MoritzLaurer/mDeBERTa-v3-base-mnli-xnli"}]
    body = json.dumps({"inputs": "Der Fluss steigt.", "parameters": {"candidate_labels": ["weather", "sport"]}})
    prediction = transformers_models.predict_fn(transformers_models.input_fn(body, "application/json"), model)
    content, kind = transformers_models.output_fn(prediction, "*/*")
    assert kind == "application/json"
    assert json.loads(content) == {"sequence": "Der Fluss steigt.", "labels": ["weather", "sport"]}


def test_a_hub_that_is_out_of_reach_is_named_with_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def pipeline(**_: Any) -> Any:
        raise OSError("No way to https://huggingface.co.\nCheck your connection.")

    monkeypatch.setitem(sys.modules, "transformers", SimpleNamespace(pipeline=pipeline))
    monkeypatch.setenv("HF_MODEL_ID", "someone/model")
    with pytest.raises(RuntimeError, match=r"'someone/model' cannot be loaded: No way to https://huggingface\.co\.$"):
        transformers_models.model_fn("/opt/ml/model")
