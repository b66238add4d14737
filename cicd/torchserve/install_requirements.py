"""Install what a model archive asks for, while its image is built: a container that starts downloads nothing."""

import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path


def main(archive):
    """Read the archive's own manifest; nothing is installed where it names no requirements file."""
    with zipfile.ZipFile(archive) as members:
        name = json.loads(members.read("MAR-INF/MANIFEST.json"))["model"].get("requirementsFile")
        if name is None:
            return
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "requirements.txt")
            file.write_bytes(members.read(name))
            subprocess.run([sys.executable, "-m", "pip", "install", "--no-cache-dir", "-r", str(file)], check=True)


if __name__ == "__main__":
    main(sys.argv[1])
