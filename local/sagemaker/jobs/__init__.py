"""Jobs: containers run once, over inputs from S3, to outputs in S3.

`runner.py` gives each job its operations, its thread and its end; `training.py`, `processing.py`, `transform.py` and
`tuning.py` say what each kind does in between. A training or processing job is instances (`instances.py`) whose
containers are run together (`container.py`); a tuning job is training jobs.
"""
