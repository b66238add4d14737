"""The wire API of Step Functions: what a client may ask, and the answers and errors it gets.

`operations.py` says which function answers what; each resource has its module. `registry.py` keeps state machines,
their versions and aliases; executions are the executor's and are read from the journal.
"""
