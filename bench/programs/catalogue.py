"""Compiles a catalogue: `compile` as Headrace does, `sdk` by the sagemaker SDK as it comes, without a cache of ours."""

import logging
import sys
import warnings
from pathlib import Path
from typing import Any

from bench.measure import milliseconds
from bench.programs import Order, serve
from pipelines.catalogue import load_catalogue
from pipelines.compile import compile_algorithms
from pipelines.environment import Environment
from pipelines.staging.stage import stage


def answer(order: Order) -> Any:
    """Milliseconds of what was ordered, and whether the SDK has been imported by then."""
    folder, cache = Path(order["folder"]), Path(order["cache"])
    took = milliseconds(lambda: _sdk(folder, cache) if order["by"] == "sdk" else _ours(folder, cache))
    return {"ms": took, "sdk": "sagemaker" in sys.modules}


def _ours(folder: Path, cache: Path) -> None:
    compile_algorithms(load_catalogue(folder).checked(), Environment(), cache)


def _sdk(folder: Path, cache: Path) -> None:
    """The same definitions by plain sessions, as a script would make them: what the worker patches is put back."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    import boto3
    import sagemaker.telemetry.telemetry_logging
    import sagemaker.utils

    before = sagemaker.utils.validate_sagemaker_config, sagemaker.utils._botocore_resolver
    from pipelines.definition import session
    from pipelines.definition.pipeline import define

    sagemaker.utils.validate_sagemaker_config, sagemaker.utils._botocore_resolver = before
    # Nor has a script the settings that turn telemetry off, which cost seconds a pipeline: it is left out otherwise.
    sagemaker.telemetry.telemetry_logging._send_telemetry_request = lambda *_, **__: None
    vars(session)["_SETTINGS"] = {}
    vars(session)["_OneClient"] = lambda region: boto3.Session("offline", "offline", region_name=region)
    for algorithm in load_catalogue(folder).checked():
        if algorithm.spec.chain is None:
            define(stage(algorithm, Environment(), {}, cache / "git").request)


if __name__ == "__main__":
    serve(answer)
