"""Distributed Map states: a map run reads its items, runs a child execution for each, and gathers the results.

`runs.py` is the door and moves map runs on the engine's thread; `reading.py` and `writing.py` speak to S3 on threads
of their own (`workers.py`).
"""
