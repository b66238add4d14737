"""Jobs: a container run once, over inputs from S3, to outputs in S3.

`runner.py` gives each job its thread and its end; `training.py` and `processing.py` say what each kind does in between.
"""
