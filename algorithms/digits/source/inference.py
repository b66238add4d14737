"""What stands before TensorFlow Serving: rows of CSV or its own JSON in, its own JSON out.

CSV may have a header and a column `digit`, which is left out: a file that was made for training can be sent as it is.
"""

import csv
import io
import json


def input_handler(data, context):
    """The request for TensorFlow Serving. ValueError says what is wrong with the caller's rows."""
    body = data.read().decode("utf-8-sig")
    kind = (context.request_content_type or "").split(";")[0].strip().lower()
    if kind == "application/json":
        return body
    if kind == "text/csv":
        return json.dumps({"instances": rows(body)})
    raise ValueError(f"The content type {kind or 'none'} is not supported: send text/csv or application/json.")


def output_handler(response, context):
    """TensorFlow Serving's answer: {"predictions": [[probability of each digit], ...]}."""
    del context
    if response.status_code != 200:
        raise ValueError(response.json()["error"])
    return response.content, "application/json"


def rows(text):
    """The pixels of each row."""
    records = [record for record in csv.reader(io.StringIO(text)) if record]
    left_out = None
    if records and not _is_number(records[0][0]):
        header = [name.strip() for name in records.pop(0)]
        left_out = header.index("digit") if "digit" in header else None
    if not records:
        raise ValueError("The request has no rows: send the pixels of one image a line.")
    return [_pixels(number, record, left_out) for number, record in enumerate(records, 1)]


def _pixels(number, record, left_out):
    try:
        return [float(cell) for place, cell in enumerate(record) if place != left_out]
    except ValueError as error:
        raise ValueError(f"Row {number} of the request: {error}.") from error


def _is_number(cell):
    try:
        float(cell)
    except ValueError:
        return False
    return True
