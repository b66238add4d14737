"""The Amazon States Language. No time of day, thread, disk or network.

`compiler.py` turns a definition into the states of `states.py`, or lists everything that is wrong with it. A state's
fields become closures once: `paths.py`, `intrinsics.py`, `expressions.py` and `templates.py` for JSONPath,
`queries.py` for JSONata, `dataflow.py` for the order in which a state's fields apply.

Nothing that a definition says takes the engine's thread for more than about a second: `evaluation.py` and `meters.py`
see to it for JSONata, `paths.py` for JSONPath, `patterns.py` for regular expressions.

Source: states-language.net and the AWS Step Functions Developer Guide.
"""
