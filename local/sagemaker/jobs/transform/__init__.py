"""Batch transform jobs: every object of the input goes through a model's serving process, and comes back as `.out`.

`kind.py` is the work, over `records.py` (what of a file makes a request) and `filters.py` (DataProcessing, by the paths
of `jsonpath.py`).

Source: "Use Batch Transform to Get Inferences from Large Datasets" in the developer guide.
"""
