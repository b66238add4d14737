"""A SageMaker that really runs the work, as plain processes on this machine.

The walk: `service.py` (the door) -> `operations.py` (which function answers which operation) -> the resource's own
module (`jobs/`, `registry.py`, `models.py`, `endpoints/`, `pipelines/`), over `store.py` and `processes/`.
"""
