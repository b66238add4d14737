"""The state types: the fields that each takes in either query language, compiled once. `state_types.py` has them all."""
