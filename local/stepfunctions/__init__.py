"""Headrace's own Step Functions.

`asl/` is the language: a definition is validated and compiled once. `interpreter/` runs a compiled definition: what
happened goes in, history events and commands come out. Both are pure. `teststate.py` is TestState over the same
parts. The journal, the executor, the integrations and the API stand on top of these.
"""
