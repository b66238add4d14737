"""XGBoost's image: its built-in algorithm (`train`), and the functions that serve what that has trained.

Hyperparameters, channels, formats, metric names and the file `xgboost-model` are those of AWS's built-in algorithm
("XGBoost algorithm" in the developer guide). Needs numpy, pandas, scikit-learn and xgboost of its image's environment.
"""

import csv
import importlib
import io
import json
import os
import pickle
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

MODEL = "xgboost-model"
_PICKLED = ("0.90", "1.0", "1.2")
"""Images that write the model with pickle; later ones with the library's own format."""
_OWN = frozenset({"num_round", "early_stopping_rounds", "csv_weights", "eval_metric", "save_model_on_termination"})
_LIBSVM = ("text/libsvm", "text/x-libsvm")


class Refused(Exception):
    """The training job cannot be run; the text says what to change."""


def _import(name: str) -> Any:
    """Imports a package of the image's environment when it is needed: the local cloud's own has none of them."""
    return importlib.import_module(name)


# The algorithm.


def train(base: Path, image: str) -> None:
    """Learns from the channels of `base` (/opt/ml) and leaves the model there. `image` is the tag. Raises Refused."""
    xgboost = _import("xgboost")

    asked: dict[str, str] = _configuration(base, "hyperparameters")
    channels = _configuration(base, "inputdataconfig")
    resources = _configuration(base, "resourceconfig")
    if not _alone(channels, resources):
        return
    if "train" not in channels:
        raise Refused("ClientError: the channel 'train' is required")
    weighted = asked.get("csv_weights") == "1"
    sets = {name: _channel(base, name, channels, weighted) for name in ("train", "validation") if name in channels}
    if "_kfold" in asked:
        raise Refused("ClientError: k-fold cross validation (_kfold) is not run by this local SageMaker")
    rounds = _rounds(asked)
    ours, theirs = _metrics(asked)
    patience = asked.get("early_stopping_rounds")
    try:
        booster = xgboost.train(
            _settings(asked, ours, theirs),
            sets["train"],
            num_boost_round=rounds,
            evals=[(data, name) for name, data in sets.items()],
            custom_metric=_measured(ours) if ours else None,
            # The library knows which way its own metrics go. Ours come last, and the last one decides.
            maximize=ours[-1] != "mse" if ours else None,
            early_stopping_rounds=int(patience) if patience else None,
        )
    except (xgboost.core.XGBoostError, ValueError) as error:
        raise Refused(f"AlgorithmError: framework error: {error}") from error
    _save(booster, base / "model" / MODEL, image)


def _rounds(asked: Mapping[str, str]) -> int:
    try:
        return int(asked["num_round"])
    except (KeyError, ValueError) as error:
        raise Refused("ClientError: the hyperparameter num_round must be a whole number") from error


def _settings(asked: Mapping[str, str], ours: list[str], theirs: list[str]) -> dict[str, Any]:
    """Returns what the library is told. `ours` are the metrics measured here, `theirs` those it measures itself."""
    settings: dict[str, Any] = {k: v for k, v in asked.items() if k not in _OWN and not k.startswith("_")}
    settings["objective"] = {"reg:linear": "reg:squarederror"}.get(
        settings.get("objective", ""), settings.get("objective", "reg:squarederror")
    )
    if theirs:
        settings["eval_metric"] = theirs
    elif ours:
        settings["disable_default_eval_metric"] = 1
    return settings


def _alone(channels: Mapping[str, Any], resources: Mapping[str, Any]) -> bool:
    """Tells whether this host is the one that trains. Raises Refused where no host sees all the data."""
    hosts = resources.get("hosts", ["localhost"])
    if len(hosts) > 1 and any(c.get("S3DistributionType") == "ShardedByS3Key" for c in channels.values()):
        raise Refused(
            "ClientError: this local SageMaker does not train the built-in XGBoost on several instances with "
            "S3DataDistributionType ShardedByS3Key; use FullyReplicated or one instance"
        )
    if len(hosts) > 1:
        print("[local] the built-in XGBoost is trained on the first instance alone", flush=True)
    return bool(resources.get("current_host", hosts[0]) == hosts[0])


def _configuration(base: Path, name: str) -> dict[str, Any]:
    file = base / "input" / "config" / f"{name}.json"
    configuration: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    return configuration


def _channel(base: Path, name: str, channels: Mapping[str, Any], weighted: bool) -> Any:
    kind = (channels[name].get("ContentType") or "text/libsvm").partition(";")[0].strip().lower()
    folder = base / "input" / "data" / name
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and not p.name.startswith((".", "_"))]
    if not files:
        raise Refused(f"ClientError: the channel {name!r} holds no file")
    if kind in ("text/csv", "csv"):
        return _from_csv([file.read_text() for file in files], labelled=True, weighted=weighted)
    if kind in (*_LIBSVM, "libsvm"):
        return _from_libsvm([file.read_bytes() for file in files])
    raise Refused(
        f"ClientError: the content type {kind!r} of the channel {name!r} is not read by this local SageMaker; "
        "text/csv and text/libsvm are"
    )


def _from_csv(texts: list[str], *, labelled: bool, weighted: bool = False) -> Any:
    """Returns a DMatrix. Labels, if any, are the first column; weights the second. Raises Refused."""
    pandas, xgboost = _import("pandas"), _import("xgboost")

    try:
        tables = [pandas.read_csv(io.StringIO(text), header=None, sep=_separator(text)) for text in texts]
        numbers = pandas.concat(tables, ignore_index=True).to_numpy(dtype="float32")
    except (ValueError, pandas.errors.ParserError) as error:
        raise Refused(f"ClientError: text/csv must hold numbers only, and no header: {error}") from error
    if not labelled:
        return xgboost.DMatrix(numbers)
    first = 2 if weighted else 1
    if numbers.shape[1] <= first:
        raise Refused("ClientError: text/csv must have the label in its first column and features after it")
    weights = numbers[:, 1] if weighted else None
    return xgboost.DMatrix(numbers[:, first:], label=numbers[:, 0], weight=weights)


def _separator(text: str) -> str:
    line = text.partition("\n")[0]
    try:
        return csv.Sniffer().sniff(line, delimiters=",;\t|").delimiter
    except csv.Error:
        return ","


def _from_libsvm(contents: list[bytes]) -> Any:
    xgboost, sparse, datasets = _import("xgboost"), _import("scipy.sparse"), _import("sklearn.datasets")

    try:
        # An index is a column's number as it stands, be it counted from 0 or from 1.
        parts = datasets.load_svmlight_files([io.BytesIO(content) for content in contents], zero_based=True)
    except ValueError as error:
        raise Refused(f"ClientError: the data is not text/libsvm (`label index:value ...`): {error}") from error
    labels = [label for part in parts[1::2] for label in part]
    return xgboost.DMatrix(sparse.vstack(parts[0::2]).tocsr(), label=labels)


def _save(booster: Any, file: Path, image: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    if image.startswith(_PICKLED):
        file.write_bytes(pickle.dumps(booster))
        return
    booster.save_model(str(file))


# Metrics that the image has beside the library's own.


def _scores() -> dict[str, Callable[[Any, Any], float]]:
    metrics = _import("sklearn.metrics")

    return {
        "accuracy": metrics.accuracy_score,
        "balanced_accuracy": metrics.balanced_accuracy_score,
        "f1": lambda truth, said: metrics.f1_score(truth, said, average="macro"),
        "f1_binary": metrics.f1_score,
        "f1_macro": lambda truth, said: metrics.f1_score(truth, said, average="macro"),
        "mse": metrics.mean_squared_error,
        "precision": metrics.precision_score,
        "precision_macro": lambda truth, said: metrics.precision_score(truth, said, average="macro"),
        "precision_micro": lambda truth, said: metrics.precision_score(truth, said, average="micro"),
        "r2": metrics.r2_score,
        "recall": metrics.recall_score,
        "recall_macro": lambda truth, said: metrics.recall_score(truth, said, average="macro"),
        "recall_micro": lambda truth, said: metrics.recall_score(truth, said, average="micro"),
    }


_NUMBERS = frozenset({"mse", "r2"})
_MEASURED_HERE = _NUMBERS | {
    "accuracy", "balanced_accuracy", "f1", "f1_binary", "f1_macro", "precision", "precision_macro", "precision_micro",
    "recall", "recall_macro", "recall_micro",
}  # fmt: skip


def _metrics(asked: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Returns the metrics that are to be measured: by this module, by the library."""
    text = asked.get("eval_metric", "").strip("[] ")
    names = [name.strip(" '\"") for name in text.split(",") if name.strip(" '\"")]
    objective = asked.get("_tuning_objective_metric", "").partition(":")[2]
    if objective and objective not in names:
        names.append(objective)
    ours = [name for name in names if name in _MEASURED_HERE]
    return ours, [name for name in names if name not in _MEASURED_HERE]


def _measured(names: list[str]) -> Callable[[Any, Any], list[tuple[str, float]]]:
    known = _scores()

    def measure(predicted: Any, data: Any) -> list[tuple[str, float]]:
        truth = data.get_label()
        if predicted.ndim > 1:
            classes = predicted.argmax(axis=1)
        else:
            classes = predicted.round() if set(truth) <= {0.0, 1.0} else predicted
        return [(name, float(known[name](truth, predicted if name in _NUMBERS else classes))) for name in names]

    return measure


# Serving.


def model_fn(model_dir: str) -> Any:
    """Returns the model that the algorithm left: `xgboost-model`, or the one file there is."""
    xgboost = _import("xgboost")

    files = [path for path in sorted(Path(model_dir).iterdir()) if path.is_file()]
    named = [path for path in files if path.name == MODEL] or files
    if not named:
        raise RuntimeError(f"the model archive holds no {MODEL}")
    try:
        booster = pickle.loads(named[0].read_bytes())
    except Exception:  # noqa: BLE001 - whatever an unpickler raises over a file that is no pickle
        booster = xgboost.Booster()
        booster.load_model(str(named[0]))
    return booster


def input_fn(body: bytes | str, content_type: str) -> Any:
    """Returns a DMatrix of text/csv (features only) or text/libsvm."""
    kind = content_type.partition(";")[0].strip().lower()
    text = body if isinstance(body, str) else body.decode()
    try:
        if kind == "text/csv":
            return _from_csv([text.strip()], labelled=False)
        if kind in _LIBSVM:
            return _from_libsvm(["\n".join(_row(line) for line in text.splitlines() if line.strip()).encode()])
    except Refused as error:
        raise ValueError(str(error)) from error
    raise NotImplementedError(f"the content type {kind!r} is not read; text/csv and text/libsvm are")


def _row(line: str) -> str:
    """Returns a libsvm row with a label, which a row to be predicted may come without."""
    return line if ":" not in line.split()[0] else f"0 {line}"


def predict_fn(data: Any, model: Any) -> Any:
    """Returns the predictions, at the best round where training was stopped early."""
    best = getattr(model, "best_iteration", None) if model.attr("best_iteration") else None
    window = (0, best + 1) if best is not None else (0, 0)
    return model.predict(_widened(data, model), iteration_range=window, validate_features=False)


def _widened(data: Any, model: Any) -> Any:
    """Adds the empty columns that libsvm leaves out at the end."""
    missing = model.num_features() - data.num_col()
    if missing <= 0:
        return data
    xgboost, sparse = _import("xgboost"), _import("scipy.sparse")

    return xgboost.DMatrix(sparse.hstack([data.get_data(), sparse.csr_matrix((data.num_row(), missing))]).tocsr())


def output_fn(prediction: Any, accept: str) -> tuple[str, str]:
    """Writes text/csv where nothing else is asked for: on one line, or in a batch transform on a line each."""
    rows = prediction.tolist()
    if accept.partition(";")[0].strip().lower() == "application/json":
        return json.dumps({"predictions": [{"score": row} for row in rows]}), "application/json"
    said = [str(row) for row in rows]
    if os.environ.get("SAGEMAKER_BATCH"):
        return "\n".join(said) + "\n", "text/csv"
    return ",".join(said), "text/csv"


DEFAULT_ACCEPT = "text/csv"


def main() -> int:
    base = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    try:
        train(base, sys.argv[1])
    except Refused as error:
        (base / "output").mkdir(parents=True, exist_ok=True)
        (base / "output" / "failure").write_text(str(error))
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
