"""SageMaker pipelines: definitions, and durable executions of them.

`definition.py` parses and validates; `expressions.py` and `conditions.py` are the definition's little language, pure;
`executions.py` walks the graph and `journal.py` remembers it; `steps.py` says what each step type does; `api.py` are
the operations. Accepted without effect: CacheConfig (nothing is cached) and RetryPolicies (a step is tried once).
"""
