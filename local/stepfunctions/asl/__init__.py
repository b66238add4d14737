"""The Amazon States Language. No time of day, thread, disk or network.

`compiler.py` turns a definition into a `machine/`, or lists everything that is wrong with it; `states/` knows the
fields of each state type, and `fields.py` reads them. A state's fields become closures once: `jsonpath/` and `jsonata/`
are the two query languages, `templates.py` the payloads that hold expressions of either, `machine/dataflow.py` the
order in which a state's fields apply, `scope.py` what they see.

Nothing that a definition says takes the engine's thread for more than about a second: `jsonata/evaluation.py` and
`jsonata/meters.py` see to it for JSONata, `jsonpath/paths.py` for JSONPath, `patterns.py` for regular expressions.

Source: states-language.net and the AWS Step Functions Developer Guide.
"""
