"""What TorchServe calls for a TorchScript model that has no handler of its own.

A batch is a list of requests of different people. Every one is read; those of equal shape and type share one forward
pass; every one is answered in its place; and what is wrong with one is told to that one alone.

A request is JSON, `{"input_data": [...], "dtype": "float32"}` (dtype may be left out), or, with the content type
`application/octet-stream`, the bytes of a vector of the model's type in the machine's order. The batch dimension is
added here: a request holds one sample. `handler: {dtype: ..., max_elements: ...}` in the archive's configuration file
says what holds for the model: the type of a request that names none, and the most numbers that a request may bring.
"""

import json
import logging
import math
from collections import defaultdict
from pathlib import Path

import torch

DTYPES = {name: getattr(torch, name) for name in ("float32", "float64", "int64", "int32", "uint8", "bool")}
MAX_ELEMENTS = 4_000_000

log = logging.getLogger(__name__)


def _never(name):
    raise ValueError(f"input_data: expected finite numbers, found {name}")


def _content_type(context, index):
    headers = {name.lower(): value for name, value in context.get_all_request_header(index).items()}
    value = headers.get("content-type", "")
    return value.split(";")[0].strip().lower() if isinstance(value, str) else ""


def _fields(body):
    """(input_data, dtype or None) of a JSON body, which TorchServe has decoded already where it was set to."""
    if isinstance(body, (bytes, bytearray, str)):
        try:
            body = json.loads(body, parse_constant=_never)
        except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
            raise ValueError(f"the body: expected JSON, found {type(error).__name__}") from error
    if not isinstance(body, dict) or "input_data" not in body:
        raise ValueError('the body: expected a JSON object with "input_data"')
    return body["input_data"], body.get("dtype")


def _count(values, most):
    """How many numbers nested lists hold; told before a tensor is made, so that a refusal costs no memory."""
    total, waiting = 0, [values]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        else:
            total += 1
        if total + len(waiting) > most:
            raise ValueError(f"input_data: expected at most {most} numbers, found more")
    return total


def _plain(output):
    """One sample's output as JSON knows it."""
    if isinstance(output, torch.Tensor):
        return _finite(output.tolist())
    if isinstance(output, dict):
        return {str(name): _plain(value) for name, value in output.items()}
    if isinstance(output, (list, tuple)):
        return [_plain(value) for value in output]
    return _finite(output)


def _finite(value):
    """JSON has no NaN and no infinity: null stands for them."""
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _row(output, index, count):
    """Sample `index` of a batch's output, whatever tensors it is made of."""
    if isinstance(output, torch.Tensor):
        if output.dim() == 0 or output.shape[0] != count:
            raise RuntimeError(f"the model: expected {count} rows for {count} samples, found {list(output.shape)}")
        return output[index]
    if isinstance(output, dict):
        return {name: _row(value, index, count) for name, value in output.items()}
    if isinstance(output, (list, tuple)):
        return [_row(value, index, count) for value in output]
    raise RuntimeError(f"the model: expected tensors, found {type(output).__name__}")


# TorchServe wants exactly one class in the file.
class ModelHandler:
    """One model in one worker process; calls come one after the other."""

    def initialize(self, context):
        """Load the archive's TorchScript file. Raises FileNotFoundError where the archive has none."""
        properties = context.system_properties
        file = Path(properties["model_dir"], context.manifest["model"]["serializedFile"])
        if not file.is_file():
            raise FileNotFoundError(f"{file.name}: not in the archive")
        gpu = properties.get("gpu_id")
        on_gpu = gpu is not None and torch.cuda.is_available()
        self.device = torch.device(f"cuda:{gpu}" if on_gpu else "cpu")
        self.model = torch.jit.load(str(file), map_location=self.device).eval()
        settings = (getattr(context, "model_yaml_config", None) or {}).get("handler", {})
        self.dtype = settings.get("dtype", "float32")
        self.max_elements = int(settings.get("max_elements", MAX_ELEMENTS))
        if self.dtype not in DTYPES:
            raise ValueError(f"handler.dtype: expected one of {', '.join(DTYPES)}, found {self.dtype!r}")

    def handle(self, data, context):
        """Answer a batch: as many answers as requests, in their order."""
        answers = [None] * len(data)
        groups = defaultdict(list)
        for index, request in enumerate(data):
            context.set_response_content_type(index, "application/json")
            try:
                sample = self._sample(request, _content_type(context, index))
            except (ValueError, TypeError, RuntimeError, OverflowError) as error:
                answers[index] = self._refuse(context, index, 400, str(error))
            else:
                groups[sample.shape, sample.dtype].append((index, sample))
        for members in groups.values():
            self._answer(members, answers, context)
        return answers

    def _sample(self, request, content_type):
        body = request.get("body", request.get("data"))
        if body is None:
            raise ValueError("the body: expected one, found none")
        if content_type == "application/octet-stream":
            return self._vector(body)
        values, name = _fields(body)
        name = self.dtype if name is None else name
        if not isinstance(name, str) or name not in DTYPES:
            raise ValueError(f"dtype: expected one of {', '.join(DTYPES)}, found {name!r}")
        if not isinstance(values, list) or not _count(values, self.max_elements):
            raise ValueError("input_data: expected a list of numbers")
        sample = torch.tensor(values, dtype=DTYPES[name])
        if not torch.isfinite(sample).all():
            raise ValueError(f"input_data: expected finite numbers within {name}")
        return sample

    def _vector(self, body):
        dtype = DTYPES[self.dtype]
        size = torch.empty(0, dtype=dtype).element_size()
        if not isinstance(body, (bytes, bytearray)) or not body or len(body) % size:
            raise ValueError(f"the body: expected a whole number of {self.dtype} values of {size} bytes")
        if len(body) > self.max_elements * size:
            raise ValueError(f"the body: expected at most {self.max_elements} values, found {len(body) // size}")
        return torch.frombuffer(bytearray(body), dtype=dtype)

    def _answer(self, members, answers, context):
        """One forward pass for samples of one shape; one each, where the shared one fails."""
        try:
            rows = self._forward([sample for _, sample in members])
        except RuntimeError as error:
            if len(members) > 1:
                # A value that the model cannot take is in one of them: the others have a right to their answers.
                for member in members:
                    self._answer([member], answers, context)
                return
            index = members[0][0]
            log.warning("request %s: the model failed", context.get_request_id(index), exc_info=True)
            # The last line is the cause; those before it are TorchScript's own call stack.
            said = str(error).strip().splitlines()[-1]
            answers[index] = self._refuse(context, index, 422, f"the model does not take this input: {said}")
            return
        for (index, _), row in zip(members, rows, strict=True):
            answers[index] = row

    def _forward(self, samples):
        with torch.inference_mode():
            output = self.model(torch.stack(samples).to(self.device))
        return [_plain(_row(output, index, len(samples))) for index in range(len(samples))]

    def _refuse(self, context, index, code, text):
        context.set_response_status(code=code, phrase="Refused", idx=index)
        return {"error": text}
