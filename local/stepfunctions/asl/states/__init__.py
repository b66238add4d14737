"""The state types: the fields that each takes in either query language, compiled once, all in `state_types.py`."""
