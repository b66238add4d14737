"""The virtual environments that stand for the catalogue's images: one for each requirements.txt, kept between runs."""

import fcntl
import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]
ALGORITHMS = REPOSITORY / "algorithms"
# The framework image sagemaker-scikit-learn:1.4-2-cpu-py3 has the scikit-learn that this container pins.
SCIKIT_LEARN = ALGORITHMS / "decision_trees" / "container" / "requirements.txt"
FACES = ALGORITHMS / "face_aging" / "container" / "requirements.txt"
MODEL_BUILD = ALGORITHMS / "face_aging" / "build_model.requirements.txt"


def environment(requirements: Path) -> Path:
    """The `bin` folder of an environment with exactly these packages."""
    cache = Path(os.environ.get("HEADRACE_CACHE_DIR", REPOSITORY / ".headrace")) / "environments-test"
    cache.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(requirements.read_bytes() + platform.python_version().encode()).hexdigest()
    folder, done = cache / key, cache / f"{key}.done"
    with (cache / f"{key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # parallel test workers: the first one builds, the others wait here
        if not done.exists():
            uv = str(Path(sys.executable).with_name("uv"))
            python = str(folder / "bin" / "python")
            subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], check=True)
            install = [
                uv,
                "pip",
                "install",
                "--quiet",
                "--compile-bytecode",
                "--only-binary",
                ":all:",
                "--python",
                python,
            ]
            subprocess.run([*install, "--requirement", str(requirements)], check=True)
            done.touch()
    return folder / "bin"
