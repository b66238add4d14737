"""SageMaker pipelines: definitions, and durable executions of them.

The walk: `api.py` (pipelines), `requests.py` (executions) and `answers.py` (callbacks) are the operations;
`definition.py` parses and validates, by `kinds.py` (what AWS lays down for each step type), `arguments.py`,
`parameters.py`, `conditions.py` and `expressions.py`, all pure. `executions.py` has a thread for each `execution.py`,
which walks the graph (`progress.py`: which steps may start, pure; `scope.py`: what they may refer to); `journal.py`
remembers it. `steps.py` says what each step type does, with `functions.py`, `callbacks.py` and `supplied.py` for those
that take more than an operation; `caching.py`, `retries.py` and `selection.py` decide whether a step runs at all,
again, or not.
"""
