"""Jobs: containers run once, over inputs from S3, to outputs in S3.

`job.py` has what is the same for all: a kind's operations, a job's document and its changes; `runner.py` gives each its
thread and its end; `training/`, `processing.py`, `transform/` and `tuning/` say what each kind does in between. A
training or processing job is instances (`instances.py`) whose containers are run together (`container.py`); a transform
job asks the process of `serving/`; a tuning job is training jobs.
"""
