"""Endpoints: serve processes behind health checks, invoked at once or through a durable queue.

`configs.py` and `api.py` are the operations; `fleet.py` brings endpoints to the configuration they should have;
`server.py` is one serve process; `invoke.py` and `asynchronous.py` send requests to it.
"""
