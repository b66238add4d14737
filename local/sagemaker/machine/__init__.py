"""The ground that everything stands on: `machine.py` holds it together.

Settings, clock and store; events, logs and metrics on their way out; S3 (`storage.py`, `archives.py`); images as
environments (`images.py`, `environments.py`, `package_index.py`); and `processes/`, which are started in them.
"""
