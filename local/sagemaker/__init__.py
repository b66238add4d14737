"""A SageMaker that really runs the work, as plain processes on this machine.

The walk: `service.py` (the door) -> `operations.py` (which function answers which operation) -> the runner it is for
(`pipelines/`, `jobs/`, `endpoints/`, with `serving/` below both) or a document in `resources/` -> `machine/`, the
ground. `wire/` is what clients see.
"""
