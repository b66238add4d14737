"""Runs executions: one thread moves them all, and the journal has every step before anyone can see it.

`executor.py` is the door and the loop; `turn.py` what happens between two commits.
"""
