"""What `headrace` runs: the command line, imported and run with few looks for garbage."""

import gc
from typing import NoReturn

_THRESHOLDS = (20_000, 20, 50)


def main() -> NoReturn:
    """Runs the command line; ends the process."""
    # Half a million objects are made before the local cloud is ready, and stay until its end. At Python's own
    # thresholds they are looked through for cycles so often that it takes a fifth of a start.
    gc.set_threshold(*_THRESHOLDS)
    from cli.main import main as run

    run()
