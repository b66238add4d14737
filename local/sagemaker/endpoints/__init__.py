"""Endpoints: serve processes behind health checks, invoked at once, part by part, or through a durable queue.

Operations: `api.py` writes down what should be; `hosting.py` brings each endpoint (`hosted.py`) there: a `Deployment`
carries the pure plan of `rollout.py` out on two fleets. From the whole to the process: `traffic.py` -> `fleet.py` ->
`variant.py` (`serverless.py`) -> `instance.py` (`multimodel.py`) -> `serving/`. Requests: `invoke.py`, `streaming.py`,
`asynchronous.py` (`backlog.py`, `inference.py`, `messages.py`), over `runtime.py`; beside them `shadow.py` and
`capture.py`.
"""
