"""The entry point of a serving image: `serve` starts the multi-model server, anything else is run as it is.

The server loads `inference.py` by the toolkit's handler service; SAGEMAKER_BIND_TO_PORT is the toolkit's to read.
"""

import os
import sys


def main(words: list[str]) -> None:
    if words != ["serve"]:
        os.execvp(words[0], words)
    # Only here: the toolkit reads its variables when it is imported.
    from sagemaker_inference import model_server

    model_server.start_model_server(handler_service="sagemaker_inference.default_handler_service")


if __name__ == "__main__":
    main(sys.argv[1:] or ["serve"])
