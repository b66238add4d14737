"""Runs a training entry point: hyperparameters as arguments, the SM_* variables, and the failure file.

`train.py [ALGORITHM TAG]`: where the job names no entry point, the image's built-in algorithm is run. The source
lies in /opt/ml/code, its requirements are installed. Names and values of the variables follow the sagemaker-training
toolkit.
"""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_TAIL_LINES = 20
_DISTRIBUTIONS = {
    "sagemaker_parameter_server_enabled", "sagemaker_mpi_enabled", "sagemaker_distributed_dataparallel_enabled",
    "sagemaker_torch_distributed_enabled", "sagemaker_multi_worker_mirrored_strategy_enabled",
    "sagemaker_pytorch_ddp_enabled",
}  # fmt: skip


def main(base: Path, environment: Mapping[str, str], algorithm: list[str]) -> int:
    """Answers the exit code of the entry point."""
    try:
        hyperparameters = _hyperparameters(base)
        if algorithm and "sagemaker_program" not in hyperparameters:
            os.execv(sys.executable, [sys.executable, "-P", "-u", *algorithm])
        program = _program(base, hyperparameters)
    except (OSError, ValueError) as error:
        return _fail(base, f"the training job cannot start: {error}", 1)
    user = {name: value for name, value in hyperparameters.items() if not name.startswith("sagemaker_")}
    for name in _DISTRIBUTIONS & hyperparameters.keys():
        if hyperparameters[name] not in (False, "false", None):
            print(f"[local] {name} is not honoured: each host runs the entry point by itself", flush=True)
    arguments = _arguments(user)
    command = (
        [sys.executable, "-u", program, *arguments] if program.endswith(".py") else ["/bin/sh", program, *arguments]
    )
    variables = {**environment, **_variables(base, user, program, arguments)}
    print("Invoking script with the following command:", shlex.join(command), flush=True)
    tail: list[str] = []
    with subprocess.Popen(
        command, cwd=base / "code", env=variables, stderr=subprocess.PIPE, text=True, errors="replace"
    ) as process:
        for line in process.stderr or ():
            sys.stderr.write(line)
            sys.stderr.flush()
            tail = [*tail[1 - _TAIL_LINES :], line]
    code = process.returncode if process.returncode >= 0 else 128 - process.returncode
    if code != 0:
        failure = base / "output" / "failure"
        if failure.exists():
            return code
        said = "".join(tail).strip()
        return _fail(base, f"ExecuteUserScriptError:\nExitCode {code}\nErrorMessage {json.dumps(said)}\n"
                           f"Command {shlex.quote(shlex.join(command))}", code)  # fmt: skip
    return 0


def _fail(base: Path, reason: str, code: int) -> int:
    (base / "output").mkdir(parents=True, exist_ok=True)
    (base / "output" / "failure").write_text(reason)
    return code


def _hyperparameters(base: Path) -> dict[str, Any]:
    """Reads values as JSON texts; a bare word stands for itself."""
    raw: dict[str, str] = _read(base, "hyperparameters", {})
    return {name: _decoded(value) for name, value in raw.items()}


def _decoded(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value


def _program(base: Path, hyperparameters: Mapping[str, Any]) -> str:
    program = hyperparameters.get("sagemaker_program")
    if not program:
        raise ValueError("the hyperparameter sagemaker_program names no entry point")
    code = (base / "code").resolve()
    file = (code / str(program)).resolve()
    if not file.is_relative_to(code) or not file.is_file():
        raise ValueError(f"the entry point {program!r} is not in the source")
    return str(program)


def _arguments(user: Mapping[str, Any]) -> list[str]:
    arguments = []
    for name, value in sorted(user.items()):
        arguments.append(f"--{name}" if len(name) > 1 else f"-{name}")
        arguments.append(value if isinstance(value, str) else _argument(value))
    return arguments


def _argument(value: Any) -> str:
    """Writes an argument as the toolkit does: an object as `a=1,b=2`, everything else as Python shows it."""
    if isinstance(value, dict):
        return ",".join(f"{name}={part}" for name, part in sorted(value.items()))
    return str(value)


def _variables(base: Path, user: Mapping[str, Any], program: str, arguments: list[str]) -> dict[str, str]:
    resources = _read(base, "resourceconfig", {})
    inputs = _read(base, "inputdataconfig", {})
    channels = sorted(inputs)
    hosts = resources.get("hosts", ["localhost"])
    data = base / "input" / "data"
    values: dict[str, Any] = {
        "MODEL_DIR": str(base / "model"),
        "INPUT_DIR": str(base / "input"),
        "INPUT_CONFIG_DIR": str(base / "input" / "config"),
        "OUTPUT_DIR": str(base / "output"),
        "OUTPUT_DATA_DIR": str(base / "output" / "data"),
        "OUTPUT_INTERMEDIATE_DIR": str(base / "output" / "intermediate"),
        "CURRENT_HOST": resources.get("current_host", hosts[0]),
        "HOSTS": hosts,
        "NETWORK_INTERFACE_NAME": resources.get("network_interface_name", "lo"),
        "NUM_CPUS": os.cpu_count() or 1,
        "NUM_GPUS": 0,
        "LOG_LEVEL": 20,
        "RESOURCE_CONFIG": resources,
        "INPUT_DATA_CONFIG": inputs,
        "CHANNELS": channels,
        "HPS": user,
        "USER_ARGS": arguments,
        "USER_ENTRY_POINT": program,
        "MODULE_NAME": program.removesuffix(".py"),
        "MODULE_DIR": str(base / "code"),
        "FRAMEWORK_PARAMS": {},
    }
    values |= {f"CHANNEL_{name.upper()}": str(data / name) for name in channels}
    values |= {f"HP_{name.upper().replace('-', '_')}": value for name, value in user.items()}
    values |= _groups(resources, hosts)
    values["TRAINING_ENV"] = {
        **{name.lower(): value for name, value in values.items() if name in _IN_TRAINING_ENV},
        "channel_input_dirs": {name: str(data / name) for name in channels},
        **_told_besides(values["CURRENT_HOST"], hosts),
        "hyperparameters": user,
    }
    return {f"SM_{name}": value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}


def _told_besides(current_host: str, hosts: list[str]) -> dict[str, Any]:
    """Returns the members of SM_TRAINING_ENV that are no variables of their own."""
    return {
        "additional_framework_parameters": {},
        "framework_module": None,
        "is_master": current_host == sorted(hosts)[0],
        "job_name": os.environ.get("TRAINING_JOB_NAME", ""),
        "master_hostname": sorted(hosts)[0],
    }


_IN_TRAINING_ENV = frozenset({
    "MODEL_DIR", "INPUT_DIR", "INPUT_CONFIG_DIR", "OUTPUT_DIR", "OUTPUT_DATA_DIR", "OUTPUT_INTERMEDIATE_DIR",
    "CURRENT_HOST", "HOSTS", "NETWORK_INTERFACE_NAME", "NUM_CPUS", "NUM_GPUS", "LOG_LEVEL", "RESOURCE_CONFIG",
    "INPUT_DATA_CONFIG", "USER_ENTRY_POINT", "MODULE_NAME", "MODULE_DIR", "CURRENT_INSTANCE_TYPE",
    "CURRENT_INSTANCE_GROUP", "CURRENT_INSTANCE_GROUP_HOSTS", "IS_HETERO",
})  # fmt: skip


def _groups(resources: Mapping[str, Any], hosts: list[str]) -> dict[str, Any]:
    """Returns the instance groups; a job of equal instances is one."""
    groups = resources.get("instance_groups", [])
    current = resources.get("current_group_name", "homogeneousCluster")
    named = {group["instance_group_name"]: group for group in groups}
    return {
        "CURRENT_INSTANCE_TYPE": resources.get("current_instance_type", "local"),
        "CURRENT_INSTANCE_GROUP": current,
        "CURRENT_INSTANCE_GROUP_HOSTS": named.get(current, {}).get("hosts", hosts),
        "INSTANCE_GROUPS": list(named) or [current],
        "INSTANCE_GROUPS_DICT": named,
        "DISTRIBUTION_INSTANCE_GROUPS": [],
        "IS_HETERO": len(named) > 1,
    }


def _read(base: Path, name: str, default: dict[str, Any]) -> dict[str, Any]:
    file = base / "input" / "config" / f"{name}.json"
    if not file.exists():
        return default
    content: dict[str, Any] = json.loads(file.read_text())
    return content


if __name__ == "__main__":
    sys.exit(main(Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")), os.environ, sys.argv[1:]))
