"""What stands before TensorFlow Serving: CSV rows in, a probability for each class out, one line a row."""

import json
from pathlib import Path

import numpy as np
import table

DESCRIBED = Path(__file__).with_name("table.json")
"""What train.py wrote about its table; it lies beside this script in the archive."""


def input_handler(data, context):
    """The request for TensorFlow Serving. ValueError says what is wrong with the caller's rows."""
    kind = (context.request_content_type or "").split(";")[0].strip().lower()
    if kind != "text/csv":
        raise ValueError(f"expected the content type text/csv, found {kind or 'none'}")
    described = json.loads(DESCRIBED.read_text())
    numbers = table.request(data.read(), described["names"])
    rows = (numbers - np.array(described["mean"])) / np.array(described["scale"])
    return json.dumps({"instances": rows.tolist()})


def output_handler(response, context):
    """TensorFlow Serving's answer as CSV."""
    if response.status_code != 200:
        raise ValueError(response.content.decode())
    rows = json.loads(response.content)["predictions"]
    return "".join(",".join(f"{value:.6f}" for value in row) + "\n" for row in rows), "text/csv"
